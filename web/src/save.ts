// Files under the scan's own name, which the gateway does not know.
import { ask, type Job } from "./api";
import { nameOf } from "./memory";

export function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export async function saveFile(job: Job, href: string, name: string): Promise<void> {
  save(await (await ask(href)).blob(), named(job, name));
}

/** A bundle's file as the command names it: the scan's name before it. */
export const named = (job: Job, name: string): string => [nameOf(job.id), name].filter(Boolean).join("_");
