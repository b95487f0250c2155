import { useSignal } from "@preact/signals";
import type { Installation } from "../api";
import { send } from "../uploads";
import { Drop } from "./drop";
import { JobList } from "./joblist";
import { kind, Options, queryOf } from "./options";

/** A scan in, and all scans that are there. */
export function Home({ installation }: { installation: Installation | null }) {
  const fault = useSignal("");
  return (
    <>
      <div class="start">
        <Drop installation={installation} fault={fault} onFiles={(files) => send(files, kind.value, queryOf(kind.value))} />
        <Options />
      </div>
      <JobList />
    </>
  );
}
