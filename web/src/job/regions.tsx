// The table of regions: sorted, searched, shown and hidden; a region's name leads into the scan.
import type { Signal } from "@preact/signals";
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { numberIn, readTsv, type Row } from "../tsv";
import { formatNumber, inAll, say, sayIf, tell } from "../words";

export interface Region {
  index: number;
  name: string;
  color: string;
  lobe: string;
  /** The key of its plain name, which both sides share; and its side, L, R or none. */
  plain: string;
  side: string;
  cells: Row;
}

export function readRegions(text: string): Region[] {
  return readTsv(text).map((cells) => {
    const { index, name = "", color = "#888888", lobe = "" } = cells;
    const [stem, side = ""] = name.split(/_([LR])$/);
    return { index: Number(index), name, color, lobe, plain: `region.${stem}`, side, cells };
  });
}

/** What anatomists call a region, in the reader's language: AAL's own names are abbreviations. */
export const plainName = ({ plain, side }: Region): string => [sayIf(plain), side && tell(`side.${side}`)].filter(Boolean).join(", ");

/** Without accents and capitals, as people type who search. */
const bare = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** All that a region may be searched by, in every language. */
const searched = ({ name, lobe, plain, side }: Region): string =>
  bare([name, lobe, inAll(plain), inAll(`lobe.${lobe}`), inAll(`side.${side}`)].join(" "));

interface Column {
  name: string;
  label: string;
  hint?: string | undefined;
  /** Whether a first click puts the largest first. */
  falls?: boolean;
  /** What the rows are sorted by. */
  value: (region: Region) => number | string;
  text: (region: Region) => string;
}

// Columns that are shown in their own way, or by the crosshair.
const NOT_FURTHER = /^(index|name|color|hemisphere|lobe|voxels|volume_mm3|asymmetry_index|centroid_._mm)$/;

function numeric(name: string, label: string, digits: number, factor = 1): Column {
  const hint = name.startsWith("dice_") ? say("agreementHint") : sayIf(`column.${name}.hint`);
  const value = (region: Region) => numberIn(region.cells[name]) * factor;
  const text = (region: Region) => (Number.isNaN(value(region)) ? "–" : formatNumber(value(region), digits));
  return { name, label, hint, falls: true, value, text };
}

/** What every table has, and whatever else this one has in numbers: agreement of networks, tissue. */
function columnsOf(regions: readonly Region[]): Column[] {
  const others = Object.keys(regions[0]?.cells ?? {}).filter(
    (name) => !NOT_FURTHER.test(name) && regions.some((region) => !Number.isNaN(numberIn(region.cells[name]))),
  );
  return [
    { name: "name", label: tell("region"), hint: say("regionHint"), value: (region) => region.name, text: (region) => region.name },
    numeric("volume_mm3", say("volume"), 2, 1 / 1000),
    numeric("asymmetry_index", tell("asymmetry"), 3),
    ...others.map((name) => {
      if (name.startsWith("dice_")) return numeric(name, say("agreement"), 3);
      if (name.endsWith("_mm3")) return numeric(name, `${labelOf(name.slice(0, -4))} (ml)`, 2, 1 / 1000);
      return numeric(name, labelOf(name), 3);
    }),
    { name: "lobe", label: tell("lobe"), hint: say("lobeHint"), value: lobeOf, text: lobeOf },
  ];
}

const lobeOf = ({ lobe }: Region): string => sayIf(`lobe.${lobe}`) ?? lobe;

const labelOf = (name: string): string => sayIf(`column.${name}`) ?? name.replaceAll("_", " ");

interface Props {
  regions: readonly Region[];
  hidden: Signal<ReadonlySet<number>>;
  selected: Signal<number>;
  onChoose: (region: Region) => void;
}

export function Regions({ regions, hidden, selected, onChoose }: Props) {
  const search = useSignal("");
  const order = useSignal({ column: "", down: false });
  const columns = columnsOf(regions);
  const rows = useComputed(() => {
    const words = bare(search.value).split(/\s+/);
    const matching = regions.filter((region) => words.every((word) => searched(region).includes(word)));
    const column = columns.find(({ name }) => name === order.value.column);
    return column ? sorted(matching, column, order.value.down) : matching;
  });
  const table = useRef<HTMLDivElement>(null);
  const sort = ({ name, falls = false }: Column) => {
    order.value = { column: name, down: order.value.column === name ? !order.value.down : falls };
    table.current?.scrollTo({ top: 0 });
  };
  return (
    <section class="card regions" aria-labelledby="regions-title">
      <div class="bar">
        <h2 id="regions-title">{tell("regions")}</h2>
        <input
          type="search"
          placeholder={say("search")}
          aria-label={say("search")}
          value={search.value}
          onInput={(event) => (search.value = event.currentTarget.value)}
        />
      </div>
      <Showing regions={regions} rows={rows.value} hidden={hidden} />
      <div class="scroll" ref={table} tabIndex={0} role="region" aria-label={tell("regions")}>
        <table>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">{say("visible")}</span>
              </th>
              {columns.map((column) => (
                <Head key={column.name} column={column} order={order.value} onSort={() => sort(column)} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.value.map((region) => (
              <RegionRow key={region.index} {...{ region, columns, hidden, onChoose }} marked={selected.value === region.index} />
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">
        {tell("asymmetry")}: {tell("asymmetryHint")}. {tell("asymmetryNote")}
      </p>
    </section>
  );
}

function sorted(regions: readonly Region[], { value }: Column, down: boolean): Region[] {
  const sign = down ? -1 : 1;
  return [...regions].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (typeof left === "string") return sign * left.localeCompare(String(right));
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
    return sign * (left - Number(right));
  });
}

function Showing({ regions, rows, hidden }: { regions: readonly Region[]; rows: readonly Region[]; hidden: Props["hidden"] }) {
  const show = (which: readonly Region[]) => {
    const left = new Set(which.map(({ index }) => index));
    hidden.value = new Set(regions.map(({ index }) => index).filter((index) => !left.has(index)));
  };
  return (
    <div class="showing">
      <span class="note" role="status">
        {rows.length < regions.length && `${say("matching", { n: rows.length, of: regions.length })} · `}
        {say("shown", { n: regions.length - hidden.value.size, of: regions.length })}
      </span>
      <button type="button" class="quiet" onClick={() => show(regions)}>
        {say("showAll")}
      </button>
      <button type="button" class="quiet" onClick={() => show([])}>
        {say("hideAll")}
      </button>
      {rows.length < regions.length && (
        <button type="button" class="quiet" onClick={() => show(rows)}>
          {say("onlyThese")}
        </button>
      )}
    </div>
  );
}

interface HeadProps {
  column: Column;
  order: { column: string; down: boolean };
  onSort: () => void;
}

function Head({ column: { name, label, hint }, order, onSort }: HeadProps) {
  const direction = order.column === name ? (order.down ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={name} aria-sort={direction}>
      <button type="button" title={hint} onClick={onSort}>
        {label}
        <span aria-hidden="true">{{ none: "", ascending: " ▲", descending: " ▼" }[direction]}</span>
      </button>
    </th>
  );
}

interface RowProps {
  region: Region;
  columns: readonly Column[];
  hidden: Props["hidden"];
  marked: boolean;
  onChoose: (region: Region) => void;
}

function RegionRow({ region, columns, hidden, marked, onChoose }: RowProps) {
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (marked) row.current?.scrollIntoView({ block: "nearest" });
  }, [marked]);
  function toggle(shown: boolean) {
    const next = new Set(hidden.value);
    if (shown) next.delete(region.index);
    else next.add(region.index);
    hidden.value = next;
  }
  return (
    <tr ref={row} class={marked ? "marked" : ""} aria-current={marked ? "true" : undefined}>
      <td>
        <input
          type="checkbox"
          checked={!hidden.value.has(region.index)}
          aria-label={say("showRegion", { name: region.name })}
          onChange={(event) => toggle(event.currentTarget.checked)}
        />
      </td>
      {columns.map((column) =>
        column.name === "name" ? (
          <th key="name" scope="row">
            <button type="button" class="link" aria-label={say("goTo", { name: region.name })} onClick={() => onChoose(region)}>
              <Swatch color={region.color} />
              {region.name}
            </button>
            <span class="plain">{plainName(region)}</span>
          </th>
        ) : (
          <td key={column.name} class={column.name}>
            {column.text(region)}
          </td>
        ),
      )}
    </tr>
  );
}

/** A region's colour; set by the object model, which the policy on styles allows. */
export const Swatch = ({ color }: { color: string }) => <span class="swatch" style={{ background: color }} aria-hidden="true" />;
