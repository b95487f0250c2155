// The tables of a bundle: tabs between cells, `n/a` for what is missing. None of their cells holds a tab or a quote.

export type Row = Record<string, string>;

export function readTsv(text: string): Row[] {
  const [head = [], ...lines] = text.trimEnd().split(/\r?\n/).map((line) => line.split("\t"));
  return lines.map((cells) => Object.fromEntries(head.map((name, n) => [name, cells[n] ?? ""])));
}

/** Cells that hold a tab or a quote go into quotes, as BIDS has it: a scan's name may hold anything. */
export function writeTsv(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number) => (/[\t\n\r"]/.test(`${value}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`);
  return [head, ...rows].map((row) => `${row.map(cell).join("\t")}\n`).join("");
}

/** The number in a cell; NaN where there is none. */
export const numberIn = (cell: string | undefined): number => (cell && cell !== "n/a" ? Number(cell) : NaN);
