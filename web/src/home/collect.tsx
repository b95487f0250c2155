// One table for all scans that are done: a row each, as the group's wide table of `parcela bids` has it.
import { useState } from "preact/hooks";
import { fetchText, fileOf, type Job } from "../api";
import { save } from "../save";
import { numberIn, readTsv, type Row, writeTsv } from "../tsv";
import { titleOf } from "../verdict";
import { say } from "../words";

const AT_A_TIME = 4;

export function Collect({ jobs }: { jobs: readonly Job[] }) {
  const [come, setCome] = useState<number | null>(null);
  async function click() {
    setCome(0);
    try {
      const rows = await collected(jobs, () => setCome((n) => (n ?? 0) + 1));
      save(new Blob([rows], { type: "text/tab-separated-values" }), "parcela_volumes.tsv");
    } catch (error) {
      alert(String(error));
    } finally {
      setCome(null);
    }
  }
  return (
    <button type="button" title={say("oneTableHint")} disabled={!jobs.length || come !== null} onClick={() => void click()}>
      {come === null ? say("oneTable") : say("collecting", { n: come, of: jobs.length })}
    </button>
  );
}

async function collected(jobs: readonly Job[], tell: () => void): Promise<string> {
  const rows: (string | number)[][] = [];
  let names: string[] = [];
  const left = jobs.map((job, n) => [n, job] as const);
  async function work() {
    for (let next = left.shift(); next; next = left.shift()) {
      const [n, job] = next;
      const regions = readTsv(await fetchText(fileOf(job, "dseg.tsv")));
      names = regions.map((region) => region["name"] ?? "");
      rows[n] = [titleOf(job), job.id, job.quality?.verdict ?? "n/a", ...summary(regions)];
      tell();
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return writeTsv(["scan", "job", "quality", "regions", "total_mm3", ...names], rows);
}

function summary(regions: readonly Row[]): (string | number)[] {
  const volumes = regions.map((region) => numberIn(region["volume_mm3"]));
  const present = regions.filter((region) => region["voxels"] !== "0").length;
  return [present, Number(volumes.reduce((sum, volume) => sum + volume, 0).toPrecision(9)), ...volumes];
}
