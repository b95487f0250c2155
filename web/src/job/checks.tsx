// What a map's quality was judged by: each number beside its usual values.
import bounds from "../../../shared/parcela/quality/data/bounds.tsv";
import type { Quality } from "../api";
import { numberIn, readTsv } from "../tsv";
import { formatShort, tell } from "../words";
import { networkName } from "./viewer";

interface Bound {
  number: string;
  look: number;
  sense: number;
}

const BOUNDS = readTsv(bounds).map(({ number = "", look, sense }): Bound => ({ number, look: numberIn(look), sense: numberIn(sense) }));

export interface Check {
  key: string;
  name: string;
  value: number;
  bounds: readonly Bound[];
}

/** All that was measured and judged, in the bounds' order; then how sure each network was. */
export function checksOf({ numbers, certainty = {} }: Quality): Check[] {
  const judged = [...new Set(BOUNDS.map(({ number }) => number))].flatMap((key) => {
    const value = numbers[key];
    const own = BOUNDS.filter(({ number }) => number === key).sort((a, b) => a.look - b.look);
    return typeof value === "number" ? [{ key, name: tell(`number.${key}`), value, bounds: own }] : [];
  });
  const sure = Object.entries(certainty).map(([network, value]) => {
    return { key: "certainty", name: `${tell("number.certainty")} (${networkName(network)})`, value, bounds: [] };
  });
  return [...judged, ...sure];
}

const isOdd = ({ value, bounds }: Check): boolean => bounds.some(({ look, sense }) => value * sense > look * sense);

function usual([first, second]: readonly Bound[]): string {
  if (!first) return "–";
  if (second) return `${formatShort(first.look)} ${tell("to")} ${formatShort(second.look)}`;
  return `${tell(first.sense === 1 ? "upTo" : "from")} ${formatShort(first.look)}`;
}

export const Checks = ({ checks }: { checks: readonly Check[] }) => (
  <details class="checks">
    <summary>
      {tell("measured")} ({checks.length})
    </summary>
    <table>
      <thead>
        <tr>
          <th scope="col">{tell("measure")}</th>
          <th scope="col">{tell("measuredHere")}</th>
          <th scope="col">{tell("usual")}</th>
        </tr>
      </thead>
      <tbody>
        {checks.map((check) => (
          <tr key={check.name} class={isOdd(check) ? "odd" : ""}>
            <th scope="row">
              {check.name}
              <span class="plain">{tell(`number.${check.key}.hint`)}</span>
            </th>
            <td>{formatShort(check.value)}</td>
            <td>{usual(check.bounds)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </details>
);
