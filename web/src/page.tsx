// The page: what there is to know first, then either the list of scans or one of them.
import { computed, effect, signal } from "@preact/signals";
import { render } from "preact";
import { fetchJson, type Installation, locked, signOut } from "./api";
import { Home } from "./home/home";
import { JobPage } from "./job/job";
import { AGAIN_MS, ended, follow, lost, stopFollowing } from "./jobs";
import { Login } from "./login";
import { dismissAll } from "./uploads";
import { titleOf } from "./verdict";
import { language, LANGUAGES, say, tell } from "./words";

export const installation = signal<Installation | null>(null);
const place = signal(location.hash);
const openJob = computed(() => /^#\/jobs\/([0-9a-f]{32})$/.exec(place.value)?.[1]);

/** What there is to know of the server; asked again until it answers. */
async function askInstallation(): Promise<void> {
  try {
    installation.value = await fetchJson<Installation>("installation");
  } catch {
    setTimeout(() => void askInstallation(), AGAIN_MS);
  }
}

async function leave(): Promise<void> {
  dismissAll();
  await signOut();
  stopFollowing();
}

function Header() {
  return (
    <header class="top">
      <a class="brand" href="#/">
        <span class="mark" aria-hidden="true" />
        Parcela
      </a>
      <p class="tagline">{say("tagline")}</p>
      <a class="help" href="docs/guide/">
        {say("help")}
      </a>
      <label class="language">
        <span class="hidden">{say("language")}</span>
        <select value={language.value} onChange={(event) => (language.value = event.currentTarget.value)}>
          {Object.entries(LANGUAGES).map(([tag, name]) => (
            <option key={tag} value={tag} lang={tag}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {installation.value?.keys && !locked.value && (
        <button type="button" class="quiet" onClick={() => void leave()}>
          {say("signOut")}
        </button>
      )}
    </header>
  );
}

/** What has ended, for who cannot see it. */
function Announcement() {
  const job = ended.value;
  const word = job?.status === "done" ? "announceDone" : "announceFailed";
  return (
    <p class="hidden" aria-live="polite">
      {job && job.status !== "cancelled" && say(word, { name: titleOf(job) })}
    </p>
  );
}

function Main() {
  if (locked.value) return <Login />;
  return openJob.value ? <JobPage key={openJob.value} id={openJob.value} /> : <Home installation={installation.value} />;
}

function Page() {
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.querySelector("main")?.focus())}>
        {say("skip")}
      </a>
      <Header />
      {lost.value && !locked.value && (
        <p class="banner" role="status">
          {say("lost")}
        </p>
      )}
      <main tabIndex={-1}>
        <Main />
      </main>
      <Announcement />
      <footer>
        <strong>{tell("research")}</strong>
        <span>
          Parcela {installation.value?.version}
          {" · "}
          <a href="docs">{say("api")}</a>
        </span>
      </footer>
    </>
  );
}

window.addEventListener("hashchange", () => {
  place.value = location.hash;
  window.scrollTo(0, 0);
});
effect(() => {
  if (!locked.value) follow();
});
void askInstallation();
const root = document.getElementById("page");
if (root) render(<Page />, root);
