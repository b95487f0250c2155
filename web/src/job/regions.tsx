// The table of regions: sorted, searched, shown and hidden; a region's name leads into the scan.
import type { Signal } from "@preact/signals";
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { numberIn, readTsv, type Row } from "../tsv";
import { formatNumber, say, sayIf } from "../words";

export interface Region {
  index: number;
  name: string;
  color: string;
  lobe: string;
  cells: Row;
}

export function readRegions(text: string): Region[] {
  return readTsv(text).map((cells) => ({
    index: Number(cells["index"]),
    name: cells["name"] ?? "",
    color: cells["color"] ?? "#888888",
    lobe: cells["lobe"] ?? "",
    cells,
  }));
}

interface Column {
  name: string;
  label: string;
  hint?: string | undefined;
  /** What the rows are sorted by. */
  value: (region: Region) => number | string;
  text: (region: Region) => string;
}

// Columns that are shown in their own way, or by the crosshair.
const NOT_FURTHER = /^(index|name|color|hemisphere|lobe|voxels|volume_mm3|asymmetry_index|centroid_._mm)$/;

function numeric(name: string, label: string, digits: number, factor = 1, hint?: string): Column {
  const value = (region: Region) => numberIn(region.cells[name]) * factor;
  const text = (region: Region) => (Number.isNaN(value(region)) ? "–" : formatNumber(value(region), digits));
  return { name, label, hint, value, text };
}

/** What every table has, and whatever else this one has in numbers: agreement of networks, tissue. */
function columnsOf(regions: readonly Region[]): Column[] {
  const others = Object.keys(regions[0]?.cells ?? {}).filter(
    (name) => !NOT_FURTHER.test(name) && regions.some((region) => !Number.isNaN(numberIn(region.cells[name]))),
  );
  return [
    { name: "name", label: say("region"), value: (region) => region.name, text: (region) => region.name },
    numeric("volume_mm3", say("volume"), 2, 1 / 1000),
    numeric("asymmetry_index", say("asymmetry"), 3, 1, say("asymmetryHint")),
    ...others.map((name) => {
      if (name.startsWith("dice_")) return numeric(name, say("agreement"), 3);
      if (name.endsWith("_mm3")) return numeric(name, `${labelOf(name.slice(0, -4))} (ml)`, 2, 1 / 1000);
      return numeric(name, labelOf(name), 3);
    }),
    { name: "lobe", label: say("lobe"), value: (region) => region.lobe, text: (region) => region.lobe },
  ];
}

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
    const text = search.value.toLowerCase();
    const matching = regions.filter(({ name, lobe }) => `${name} ${lobe}`.toLowerCase().includes(text));
    const column = columns.find(({ name }) => name === order.value.column);
    return column ? sorted(matching, column, order.value.down) : matching;
  });
  const table = useRef<HTMLDivElement>(null);
  const sort = (column: string) => {
    order.value = { column, down: order.value.column === column && !order.value.down };
    table.current?.scrollTo({ top: 0 });
  };
  return (
    <section class="card regions" aria-labelledby="regions-title">
      <div class="bar">
        <h2 id="regions-title">{say("regions")}</h2>
        <input
          type="search"
          placeholder={say("search")}
          aria-label={say("search")}
          value={search.value}
          onInput={(event) => (search.value = event.currentTarget.value)}
        />
      </div>
      <Showing regions={regions} rows={rows.value} hidden={hidden} />
      <div class="scroll" ref={table} tabIndex={0} role="region" aria-label={say("regions")}>
        <table>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">{say("visible")}</span>
              </th>
              {columns.map(({ name, label, hint }) => (
                <Head key={name} name={name} label={label} hint={hint} order={order.value} onSort={() => sort(name)} />
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
  name: string;
  label: string;
  hint: string | undefined;
  order: { column: string; down: boolean };
  onSort: () => void;
}

function Head({ name, label, hint, order, onSort }: HeadProps) {
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
