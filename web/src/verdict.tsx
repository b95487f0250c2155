import type { Job } from "./api";
import { nameOf } from "./memory";
import { formatTime, say, tell } from "./words";

/** A scan's name where this browser knows it; else when it was sent. */
export const titleOf = (job: Job): string => nameOf(job.id) || say("scanOf", { when: formatTime(job.created) });

/** The verdict on a map's quality, in a word and a colour; nothing where an older release gave none. */
export function Badge({ job }: { job: Job }) {
  const verdict = job.quality?.verdict;
  if (!verdict) return null;
  return (
    <span class={`badge ${verdict}`} title={tell(`verdictLong.${verdict}`)}>
      {tell("quality")}: {tell(`verdict.${verdict}`)}
    </span>
  );
}
