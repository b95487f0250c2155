// The caller's jobs, kept as the gateway's event stream tells them; lost connections are taken up again.
import { computed, signal } from "@preact/signals";
import { ask, type Job, locked, Refusal } from "./api";
import { forgetName } from "./memory";

export const AGAIN_MS = 2000;
const ENDED = new Set(["done", "failed", "cancelled"]);

const known = signal<ReadonlyMap<string, Job>>(new Map());
/** Whether the list is there at all, and whether it is kept up to date. */
export const listed = signal(false);
export const lost = signal(false);

export const jobs = computed(() => [...known.value.values()].sort((a, b) => b.created - a.created));
export const findJob = (id: string): Job | undefined => known.value.get(id);
export const isEnded = (job: Job): boolean => ENDED.has(job.status);

/** The job that has ended last, while the page was open: said to who cannot see the list. */
export const ended = signal<Job | null>(null);

export function enter(job: Job): void {
  const before = known.value.get(job.id);
  if (before && !isEnded(before) && isEnded(job)) ended.value = job;
  known.value = new Map(known.value).set(job.id, job);
}

function drop(ids: Iterable<string>): void {
  const left = new Map(known.value);
  for (const id of ids) left.delete(id);
  known.value = left;
}

/** Cancel a job where it runs, and erase all that is left of it. */
export async function erase(job: Job): Promise<void> {
  await ask(job.links["self"]!, { method: "DELETE" });
  drop([job.id]);
  forgetName(job.id);
}

let source: EventSource | null = null;
let timer = 0;
let failures = 0; // since the last list came

export function stopFollowing(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
  known.value = new Map();
  listed.value = false;
}

/** Follow all jobs from now on. A browser reconnects by itself, but not after an answer that is no stream. */
export function follow(): void {
  clearTimeout(timer);
  source?.close();
  const stream = new EventSource("events?limit=1000");
  source = stream;
  let told = new Set<string>();
  let first = true;
  stream.onopen = () => {
    [told, first] = [new Set<string>(), true];
    lost.value = false;
  };
  stream.addEventListener("job", (event) => {
    const job = JSON.parse(event.data) as Job;
    told.add(job.id);
    enter(job);
  });
  stream.addEventListener("gone", (event) => drop([event.data as string]));
  stream.addEventListener("listed", () => {
    // what was deleted while nobody listened is not told
    if (first) drop([...known.value.keys()].filter((id) => !told.has(id)));
    [first, listed.value, failures] = [false, true, 0];
  });
  stream.onerror = () => {
    lost.value = true;
    // at first it is perhaps a key that is missing: that is said at once
    if (stream.readyState === EventSource.CLOSED) timer = window.setTimeout(retry, failures++ ? AGAIN_MS : 0);
  };
}

async function retry(): Promise<void> {
  try {
    await ask("jobs?limit=1");
  } catch (error) {
    if (error instanceof Refusal && locked.value) return;
    timer = window.setTimeout(retry, AGAIN_MS);
    return;
  }
  follow();
}
