import type { Signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { ask, type Installation } from "../api";
import { scansInFolder, scansOf } from "../dropped";
import { say, tell } from "../words";

const SAMPLE = "colin27.nii.gz";

interface Props {
  installation: Installation | null;
  fault: Signal<string>;
  onFiles: (files: File[]) => void;
}

/** Where scans are dropped or chosen; and what becomes of them, beside the button. */
export function Drop({ installation, fault, onFiles }: Props) {
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  function take(chosen: File[]) {
    fault.value = chosen.length ? "" : say("dropNone");
    if (chosen.length) onFiles(chosen);
  }
  async function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer) take(await scansOf(event.dataTransfer));
  }
  async function sample() {
    try {
      take([new File([await (await ask(`sample/${SAMPLE}`)).blob()], SAMPLE)]);
    } catch (error) {
      fault.value = say("sampleFailed", { why: String(error) });
    }
  }
  async function chosen(event: Event, ofFolder: boolean) {
    const input = event.currentTarget as HTMLInputElement;
    const all = [...(input.files ?? [])];
    input.value = "";
    take(ofFolder ? await scansInFolder(all[0]?.webkitRelativePath.split("/")[0] ?? "", all) : all);
  }
  return (
    <section
      class={`card drop ${over ? "over" : ""}`}
      aria-labelledby="drop-title"
      onDragOver={(event) => (event.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => void drop(event)}
    >
      <h1 id="drop-title">{say("dropTitle")}</h1>
      <p class="note">{say("dropHint")}</p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => files.current?.click()}>
          {say("dropChoose")}
        </button>
        <button type="button" class="phone-out" onClick={() => folder.current?.click()}>
          {say("dropFolder")}
        </button>
        <button type="button" title={say("sampleHint")} onClick={() => void sample()}>
          {say("sample")}
        </button>
      </div>
      <input ref={files} type="file" multiple hidden aria-label={say("dropChoose")} onChange={(event) => void chosen(event, false)} />
      <input
        ref={folder}
        type="file"
        hidden
        aria-label={say("dropFolder")}
        {...{ webkitdirectory: true }}
        onChange={(event) => void chosen(event, true)}
      />
      <p class="fault" role="alert">
        {fault.value}
      </p>
      {installation && <Privacy installation={installation} />}
    </section>
  );
}

function Privacy({ installation }: { installation: Installation }) {
  const n = installation.retention_days;
  const place = say(installation.store === "s3" ? "placeS3" : "placeFolder");
  const days = n === 1 ? say("day") : say("days", { n });
  return (
    <p class="privacy">
      {say("privacy", { host: location.host, place, days })} {say("privacyFace")}{" "}
      <strong>{tell("research")}</strong>
    </p>
  );
}
