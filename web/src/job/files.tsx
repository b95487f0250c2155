import { useState } from "preact/hooks";
import type { BundleFile, Job } from "../api";
import { nameOf } from "../memory";
import { named, saveFile } from "../save";
import { formatNumber, say, sayIf, tell } from "../words";

export function Files({ job, files }: { job: Job; files: readonly BundleFile[] }) {
  return (
    <section class="card" aria-labelledby="files-title">
      <h2 id="files-title">{say("files")}</h2>
      <ul class="files">
        {files.map(({ name, href, size }) => (
          <li key={name}>
            <span>
              <Download job={job} href={href} name={name} label={named(job, name)} quiet />
              <span class="plain">{describe(name)}</span>
            </span>
            <span class="note">{formatNumber(size / 1000, size < 10_000 ? 1 : 0)} kB</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const describe = (name: string): string => sayIf(`file.${name}`) ?? (name.includes("_xfm.") ? tell("file.xfm") : "");

interface Props {
  job: Job;
  href: string;
  name: string;
  label: string;
  quiet?: boolean;
}

/** A link to a file, saved under the scan's name where this browser knows it. */
export function Download({ job, href, name, label, quiet }: Props) {
  const [busy, setBusy] = useState(false);
  async function click(event: MouseEvent) {
    if (!nameOf(job.id)) return; // the link itself does it
    event.preventDefault();
    setBusy(true);
    try {
      await saveFile(job, href, name);
    } catch (error) {
      alert(String(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <a class={quiet ? "" : "button"} href={href} download aria-busy={busy} onClick={(event) => void click(event)}>
      {label}
    </a>
  );
}
