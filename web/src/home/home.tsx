import { useSignal } from "@preact/signals";
import type { Installation } from "../api";
import { send } from "../uploads";
import { Drop } from "./drop";
import { JobList, showList } from "./joblist";
import { kind, Options, queryOf } from "./options";

/** A scan in, and all scans that are there. */
export function Home({ installation }: { installation: Installation | null }) {
  const fault = useSignal("");
  function take(files: File[]) {
    send(files, kind.value, queryOf(kind.value));
    showList();
  }
  return (
    <>
      <div class="start">
        <Drop installation={installation} fault={fault} onFiles={take} />
        <Options />
      </div>
      <JobList />
    </>
  );
}
