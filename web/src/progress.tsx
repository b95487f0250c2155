import type { Job, Status } from "./api";
import { say, sayIf } from "./words";

const STAGES: Record<Job["kind"], Status[]> = {
  predict: ["queued", "preprocessing", "parcellating", "done"],
  label: ["queued", "preprocessing", "labelling", "done"],
};

/** Where a job stands: its stages, what is being done, how far it is; or why it failed. */
export function Progress({ job }: { job: Job }) {
  if (job.status === "failed" || job.status === "cancelled") {
    return (
      <p class="fault">
        {say(`state.${job.status}`)}
        {job.problem && <span lang="en">: {job.problem.detail}</span>}
      </p>
    );
  }
  const stages = STAGES[job.kind];
  const at = stages.indexOf(job.status);
  const step = sayIf(`step.${job.step}`) ?? job.step;
  return (
    <div class="progress">
      <ol aria-label={say("stages")}>
        {stages.map((stage, n) => (
          <li key={stage} class={n < at ? "past" : n === at ? "now" : ""} aria-current={n === at ? "step" : undefined}>
            {say(`state.${stage}`)}
          </li>
        ))}
      </ol>
      <progress aria-label={say("progress")} max={1} value={job.progress} />
      <p class="note">
        {Math.round(job.progress * 100)} %{step && ` · ${step}`}
        {job.attempt > 1 && ` · ${say("attempt", { n: job.attempt })}`}
      </p>
    </div>
  );
}
