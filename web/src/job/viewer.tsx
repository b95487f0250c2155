import { effect, type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type BundleFile, fetchBytes, fileOf, type Job, scanOf } from "../api";
import { remembered } from "../memory";
import { titleOf } from "../verdict";
import { formatNumber, say } from "../words";
import type { Brain, Look, View } from "./brain";
import type { Point } from "./labelmap";
import { plainName, type Region, Swatch } from "./regions";

const VIEWS: View[] = ["planes", "all", "axial", "coronal", "sagittal", "render"];
const NETWORKS: Record<string, string> = { unet: "U-Net", highresnet: "HighResNet", warp: "Warp" };
const look = remembered<Omit<Look, "hidden" | "view">>("look", { opacity: 0.6, outlines: false, radiological: false });

interface Props {
  job: Job;
  files: readonly BundleFile[];
  regions: readonly Region[];
  hidden: Signal<ReadonlySet<number>>;
  selected: Signal<number>;
  brain: Signal<Brain | null>;
}

/** The scan with its regions, and what to do with it. NiiVue is loaded here, not before. */
export function Viewer({ job, files, regions, hidden, selected, brain }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const loading = useSignal("");
  const fault = useSignal("");
  const view = useSignal<View>("planes");
  const map = useSignal("dseg.nii.gz");
  const disagreement = useSignal(false);
  const hovered = useSignal(0);
  const position = useSignal<Point>([0, 0, 0]);

  useEffect(() => {
    let ended = false;
    const stops: (() => void)[] = [];
    async function open() {
      const [{ Brain }, scan] = await Promise.all([import("./brain"), fetched(scanOf(job), say("viewerScan"))]);
      if (ended || !canvas.current) return;
      const asked = () => ({ ...look.value, view: view.value, hidden: hidden.value });
      const opened = await Brain.open(canvas.current, scan, regions, asked());
      stops.push(() => opened.close());
      if (!opened.isSlow) view.value = "all";
      opened.onHover = (region) => (hovered.value = region);
      opened.onMove = (mm, region) => ([position.value, selected.value] = [mm, region]);
      await showMap(opened);
      if (ended) return;
      stops.push(effect(() => opened.draw(asked())));
      [brain.value, loading.value] = [opened, ""];
    }
    open().catch((error: unknown) => ([fault.value, loading.value] = [String(error), ""]));
    return () => {
      [ended, brain.value] = [true, null];
      stops.forEach((stop) => stop());
    };
  }, []);

  const fetched = (path: string, what: string) =>
    fetchBytes(path, (come) => (loading.value = say("viewerLoading", { what, come: formatNumber(come / 1e6, 1) })));

  async function showMap(opened: Brain) {
    const wanted = [map.value, ...(disagreement.value ? files.map(({ name }) => name).filter(isNetworks) : [])];
    const [shown, ...disagreeing] = await Promise.all(wanted.map((name) => fetched(fileOf(job, name), say("viewerMap"))));
    await opened.show(shown!, disagreeing);
    loading.value = "";
  }
  const change = () => brain.value && showMap(brain.value).catch((error: unknown) => (fault.value = String(error)));
  const own = files.map(({ name }) => name).filter(isNetworks);
  const named = (index: number) => regions.find((region) => region.index === index);

  if (fault.value) return <Failed job={job} why={fault.value} />;
  return (
    <section class="card viewer" aria-labelledby="viewer-title" data-ready={brain.value ? "" : undefined}>
      <h2 id="viewer-title" class="hidden">
        {say("viewer")}
      </h2>
      <Place {...{ position, hovered, brain }} here={named(selected.value)} over={named(hovered.value)} />
      <div class="stage">
        <canvas ref={canvas} tabIndex={0} role="img" aria-label={say("canvas")} />
        {loading.value && (
          <p class="loading" role="status">
            {loading.value}
          </p>
        )}
      </div>
      <div class="controls">
        <Choice label={say("view")} value={view.value} onChange={(value) => (view.value = value as View)}>
          {VIEWS.map((name) => [name, say(`view.${name}`)])}
        </Choice>
        {own.length > 0 && (
          <Choice label={say("map")} value={map.value} onChange={(value) => ((map.value = value), void change())}>
            {[["dseg.nii.gz", say("map.dseg")], ...own.map((name) => [name, say("map.networks", { network: networkOf(name) })])]}
          </Choice>
        )}
        <label>
          {say("opacity")}
          <input
            type="range"
            min="0"
            max="1"
            step="0.05"
            value={look.value.opacity}
            onInput={(event) => (look.value = { ...look.value, opacity: Number(event.currentTarget.value) })}
          />
        </label>
        <Check label={say("outlines")} on={look.value.outlines} onChange={(outlines) => (look.value = { ...look.value, outlines })} />
        <Check
          label={say("radiological")}
          on={look.value.radiological}
          onChange={(radiological) => (look.value = { ...look.value, radiological })}
        />
        {own.length > 0 && (
          <Check label={say("disagreement")} on={disagreement.value} onChange={(on) => ((disagreement.value = on), void change())} />
        )}
      </div>
      <p class="note">
        {say(look.value.radiological ? "leftIsRight" : "leftIsLeft")} {say("ownPosition")}
      </p>
    </section>
  );
}

const isNetworks = (name: string): boolean => /^desc-(unet|highresnet|warp)_dseg\.nii\.gz$/.test(name);

function networkOf(name: string): string {
  return networkName(name.slice("desc-".length, -"_dseg.nii.gz".length));
}

export const networkName = (network: string): string => NETWORKS[network] ?? network;

interface PlaceProps {
  position: Signal<Point>;
  hovered: Signal<number>;
  brain: Signal<Brain | null>;
  here: Region | undefined;
  over: Region | undefined;
}

/** Where the crosshair is, which region is there, and which is under the pointer; a place can be typed. */
function Place({ position, brain, here, over }: PlaceProps) {
  function go(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    brain.value?.goTo(["x", "y", "z"].map((axis) => Number(form.get(axis))) as unknown as Point);
  }
  return (
    <div class="place">
      <form onSubmit={go} aria-label={say("position")}>
        {["x", "y", "z"].map((axis, n) => (
          <label key={axis}>
            {axis}
            <input name={axis} type="number" step="any" value={Number(position.value[n]!.toFixed(1))} />
          </label>
        ))}
        mm
        <button>{say("go")}</button>
      </form>
      <p class="here" role="status" data-region={here?.name ?? ""}>
        <span class="note">{say("here")}</span> {here && <Swatch color={here.color} />}
        <strong>{here?.name ?? say("nothingHere")}</strong> {here && <span class="plain">{plainName(here)}</span>}
      </p>
      <p class="over" data-region={over?.name ?? ""}>
        <span class="note">{say("hover")}</span> {over && <Swatch color={over.color} />}
        {over?.name ?? "–"} {over && <span class="plain">{plainName(over)}</span>}
      </p>
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  children: string[][];
}

const Choice = ({ label, value, onChange, children }: ChoiceProps) => (
  <label>
    {label}
    <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {children.map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  </label>
);

const Check = ({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) => (
  <label class="check">
    <input type="checkbox" checked={on} onChange={(event) => onChange(event.currentTarget.checked)} />
    <span>{label}</span>
  </label>
);

/** The picture, where the scan itself cannot be drawn. */
function Failed({ job, why }: { job: Job; why: string }) {
  return (
    <section class="card viewer">
      <p class="fault" role="alert">
        {/webgl/i.test(why) ? say("viewerNone") : say("viewerFailed", { why })}
      </p>
      <img src={fileOf(job, "qc.png")} alt={say("thumbnail", { name: titleOf(job) })} />
    </section>
  );
}
