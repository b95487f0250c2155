import { computed, signal } from "@preact/signals";
import { fileOf, type Job } from "../api";
import { erase, isEnded, jobs, listed } from "../jobs";
import { Progress } from "../progress";
import { dismiss, type Upload, uploads } from "../uploads";
import { Badge, titleOf } from "../verdict";
import { formatTime, say, type Word } from "../words";
import { Collect } from "./collect";

const PAGE = 50;
const SHOWS: Record<string, { word: Word; holds: (job: Job) => boolean }> = {
  all: { word: "filterAll", holds: () => true },
  running: { word: "filterRunning", holds: (job) => !isEnded(job) },
  done: { word: "filterDone", holds: (job) => job.status === "done" },
  doubt: { word: "filterDoubt", holds: (job) => Boolean(job.quality && job.quality.verdict !== "ok") },
  failed: { word: "filterFailed", holds: (job) => job.status === "failed" },
};

const filter = signal("");
const shows = signal("all");
const most = signal(PAGE);

const matching = computed(() => {
  const text = filter.value.toLowerCase();
  const { holds } = SHOWS[shows.value]!;
  return jobs.value.filter((job) => titleOf(job).toLowerCase().includes(text) && holds(job));
});

const FIRST_PX = 240; // the list's head and its first scan

/** Bring what was just sent into sight: the choices above the list may be long. */
export function showList(): void {
  const list = document.getElementById("jobs");
  if (list && list.getBoundingClientRect().top + FIRST_PX > window.innerHeight) list.scrollIntoView();
}

export function JobList() {
  return (
    <section id="jobs" aria-labelledby="jobs-title">
      <div class="bar">
        <h2 id="jobs-title">{say("jobs")}</h2>
        {jobs.value.length > 0 && <Filters />}
      </div>
      {uploads.value.length > 0 && (
        <ul class="jobs">
          {uploads.value.map((upload) => (
            <UploadItem key={upload.key} upload={upload} />
          ))}
        </ul>
      )}
      <ul class="jobs">
        {matching.value.slice(0, most.value).map((job) => (
          <JobItem key={job.id} job={job} />
        ))}
      </ul>
      <Empty />
      {matching.value.length > most.value && (
        <button type="button" onClick={() => (most.value += PAGE)}>
          {say("showMore", { n: Math.min(PAGE, matching.value.length - most.value) })}
        </button>
      )}
    </section>
  );
}

function Empty() {
  if (!listed.value) return <p class="note">{say("jobsLoading")}</p>;
  if (!jobs.value.length && !uploads.value.length) return <p class="note">{say("jobsNone")}</p>;
  if (jobs.value.length && !matching.value.length) return <p class="note">{say("filterNothing")}</p>;
  return null;
}

function Filters() {
  return (
    <div class="filters">
      <label>
        <span class="hidden">{say("filter")}</span>
        <input
          type="search"
          placeholder={say("filter")}
          value={filter.value}
          onInput={(event) => (filter.value = event.currentTarget.value)}
        />
      </label>
      <label>
        <span class="hidden">{say("filterStatus")}</span>
        <select value={shows.value} onChange={(event) => (shows.value = event.currentTarget.value)}>
          {Object.entries(SHOWS).map(([name, { word }]) => (
            <option key={name} value={name}>
              {say(word)}
            </option>
          ))}
        </select>
      </label>
      <Collect jobs={matching.value.filter((job) => job.status === "done")} />
    </div>
  );
}

function UploadItem({ upload }: { upload: Upload }) {
  const refused = upload.state === "refused";
  return (
    <li class={`card job ${refused ? "failed" : ""}`}>
      <span class="thumbnail" aria-hidden="true" />
      <div class="what">
        <h3>{upload.file.name}</h3>
        <p class="note">{say(`upload.${upload.state}`)}</p>
        {upload.state === "sending" && <progress aria-label={say("upload.sending")} max={1} value={upload.sent} />}
        {upload.problem && (
          <p class="fault" lang="en">
            {upload.problem}
          </p>
        )}
      </div>
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => dismiss(upload)}>
          {say(refused ? "dismiss" : "cancel")}
        </button>
      </div>
    </li>
  );
}

function JobItem({ job }: { job: Job }) {
  const title = titleOf(job);
  const done = job.status === "done";
  return (
    <li class={`card job ${job.status}`} data-job={job.id}>
      <span class="thumbnail">
        {done && (
          <img
            src={fileOf(job, "thumbnail.png")}
            alt={say("thumbnail", { name: title })}
            loading="lazy"
            onError={({ currentTarget }) => (currentTarget.hidden = true)} // an older release made none
          />
        )}
      </span>
      <div class="what">
        <h3>
          <a href={`#/jobs/${job.id}`}>{title}</a>
        </h3>
        <p class="note">
          {formatTime(job.created)} {done && <Badge job={job} />}
        </p>
        {!done && <Progress job={job} />}
      </div>
      <div class="buttons">
        {done && (
          <a class="button" href={`#/jobs/${job.id}`} aria-label={`${say("open")} ${title}`}>
            {say("open")}
          </a>
        )}
        <Erase job={job} />
      </div>
    </li>
  );
}

/** Cancels what runs, deletes what has ended: the same to the gateway, not to a person. */
export function Erase({ job, after }: { job: Job; after?: () => void }) {
  const name = titleOf(job);
  const ended = isEnded(job);
  async function click() {
    if (!confirm(say(ended ? "eraseSure" : "cancelSure", { name }))) return;
    try {
      await erase(job);
      after?.();
    } catch (error) {
      alert(say("eraseFailed", { why: String(error) }));
    }
  }
  const word = say(ended ? "erase" : "cancel");
  return (
    <button type="button" class="quiet danger" aria-label={`${word} ${name}`} onClick={() => void click()}>
      {word}
    </button>
  );
}
