import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Job, manifestOf, type Verdict } from "./api";
import { nameOf } from "./memory";
import { formatTime, say } from "./words";

/** A scan's name where this browser knows it; else when it was sent. */
export const titleOf = (job: Job): string => nameOf(job.id) || say("scanOf", { when: formatTime(job.created) });

const verdicts = signal<Record<string, Verdict>>({});

export const verdictOf = (job: Job): Verdict | undefined => verdicts.value[job.id];

/** The verdict on a map's quality, in a word and a colour. */
export function Badge({ job }: { job: Job }) {
  useEffect(() => {
    if (verdictOf(job)) return;
    manifestOf(job)
      .then(({ quality }) => quality && (verdicts.value = { ...verdicts.value, [job.id]: quality.verdict }))
      .catch(() => undefined); // a bundle that cannot be read says so where it is opened
  }, [job.id]);
  const verdict = verdictOf(job);
  if (!verdict) return null;
  return (
    <span class={`badge ${verdict}`} title={say(`verdictLong.${verdict}`)}>
      {say("quality")}: {say(`verdict.${verdict}`)}
    </span>
  );
}
