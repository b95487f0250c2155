// What this browser remembers, and tells nobody: the names of the scans, the last options, the language.
import { effect, signal, type Signal } from "@preact/signals";

const MOST_NAMES = 2000;

/** A value that outlives the page. Where the browser keeps nothing, it lasts as long as the page. */
export function remembered<T>(name: string, otherwise: T): Signal<T> {
  const key = `parcela.${name}`;
  let first = otherwise;
  try {
    const text = localStorage.getItem(key);
    if (text !== null) first = JSON.parse(text) as T;
  } catch {
    // nothing is kept, or what is kept is damaged
  }
  const value = signal(first);
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      localStorage.setItem(key, text);
    } catch {
      // private windows, full disks
    }
  });
  return value;
}

/** Names of scans by their job's id, the newest last. The gateway is never told. */
const names = remembered<Record<string, string>>("names", {});

export function nameScan(id: string, file: string): void {
  const stem = file.replace(/\.(nii\.gz|nii|gz|zip|mg[hz])$/i, "");
  names.value = Object.fromEntries([...Object.entries(names.value), [id, stem]].slice(-MOST_NAMES));
}

export const nameOf = (id: string): string => names.value[id] ?? "";

export function forgetName(id: string): void {
  names.value = Object.fromEntries(Object.entries(names.value).filter(([known]) => known !== id));
}
