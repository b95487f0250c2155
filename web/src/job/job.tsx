import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type BundleFile, fetchJson, fetchText, fileOf, type Job, type Manifest } from "../api";
import { Erase } from "../home/joblist";
import { findJob, listed } from "../jobs";
import { Progress } from "../progress";
import { Badge, titleOf } from "../verdict";
import { formatTime, language, say, tell } from "../words";
import type { Brain } from "./brain";
import { Checks, checksOf } from "./checks";
import { Download, Files } from "./files";
import { Made } from "./made";
import { type Region, readRegions, Regions } from "./regions";
import { Viewer } from "./viewer";

/** One scan: how far it is, and when it is done what came of it. */
export function JobPage({ id }: { id: string }) {
  const job = findJob(id);
  const back = (
    <a class="back" href="#/">
      ← {say("back")}
    </a>
  );
  if (!job) return listed.value ? <p>{back} {say("gone")}</p> : <p class="note">{say("jobsLoading")}</p>;
  return (
    <>
      {back}
      <div class="bar title">
        <div>
          <h1>{titleOf(job)}</h1>
          <p class="note">
            {formatTime(job.created)} {job.status === "done" && <Badge job={job} />}
          </p>
        </div>
        <div class="buttons">
          {job.status === "done" && (
            <>
              <a class="button" href={`${fileOf(job, "report.html")}#${language.value}`} target="_blank" rel="noopener">
                {say("report")}
              </a>
              <Download job={job} href={job.links["bundle"]!} name="bundle.zip" label={say("downloadAll")} />
            </>
          )}
          <Erase job={job} after={() => (location.hash = "#/")} />
        </div>
      </div>
      {job.status === "done" ? <Result key={job.status} job={job} /> : <section class="card">{<Progress job={job} />}</section>}
    </>
  );
}

interface Bundle {
  files: BundleFile[];
  regions: Region[];
  manifest: Manifest;
}

function Result({ job }: { job: Job }) {
  const bundle = useSignal<Bundle | null>(null);
  const fault = useSignal("");
  const hidden = useSignal<ReadonlySet<number>>(new Set());
  const selected = useSignal(0);
  const brain = useSignal<Brain | null>(null);
  useEffect(() => {
    Promise.all([
      fetchJson<{ files: BundleFile[] }>(job.links["files"]!),
      fetchText(fileOf(job, "dseg.tsv")),
      fetchJson<Manifest>(fileOf(job, "manifest.json")),
    ])
      .then(([{ files }, table, manifest]) => (bundle.value = { files, regions: readRegions(table), manifest }))
      .catch((error: unknown) => (fault.value = String(error)));
  }, [job.id]);
  if (fault.value) return <p class="fault">{fault.value}</p>;
  if (!bundle.value) return null;
  const { files, regions, manifest } = bundle.value;
  function choose(region: Region) {
    if (!brain.value?.goToRegion(region.index)) selected.value = region.index;
  }
  return (
    <>
      <Judgement job={job} manifest={manifest} />
      <div class="result">
        <Viewer {...{ job, files, regions, hidden, selected, brain }} />
        <Regions {...{ regions, hidden, selected }} onChoose={choose} />
      </div>
      <div class="after">
        <Files job={job} files={files} />
        <Made manifest={manifest} />
      </div>
    </>
  );
}

/** The verdict with its reasons, and whatever else is to be known before the map is used. */
function Judgement({ job, manifest }: { job: Job; manifest: Manifest }) {
  const { verdict, reasons = [] } = manifest.quality ?? {};
  const checks = manifest.quality ? checksOf(manifest.quality) : [];
  const others = manifest.warnings.filter((warning) => !/^QUALITY /i.test(warning)); // the verdict, told by its reasons
  if (!others.length && !verdict) return null;
  return (
    <section class={`card judgement ${verdict ?? ""}`} aria-labelledby="judgement-title">
      <h2 id="judgement-title">{verdict ? `${tell("quality")}: ${tell(`verdict.${verdict}`)}` : say("warnings")}</h2>
      {verdict && (
        <p>
          {tell(`verdictLong.${verdict}`)} {verdict === "ok" && checks.length > 0 && say("checkedOk", { n: checks.length })}{" "}
          <a href={fileOf(job, "qc.png")} target="_blank" rel="noopener">
            {say("picture")}
          </a>
        </p>
      )}
      <ul lang="en">
        {[...reasons, ...others].map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {checks.length > 0 && <Checks checks={checks} />}
    </section>
  );
}
