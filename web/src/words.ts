// The page's words in the reader's language. What the gateway says (problems, warnings) stays English.
import { computed, effect } from "@preact/signals";
import names from "../../shared/parcela/atlas/data/names.tsv";
import shared from "../../shared/parcela/bundle/data/words.tsv";
import { remembered } from "./memory";
import { readTsv } from "./tsv";
import { en, type Words } from "./words/en";
import { es } from "./words/es";
import { pt } from "./words/pt";

const TABLES: Record<string, Words> = { en, pt, es };
export const LANGUAGES = { en: "English", pt: "Português", es: "Español" };

const preferred = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TABLES) ?? "en";
export const language = remembered("language", preferred);

const table = computed(() => TABLES[language.value] ?? en);
effect(() => {
  document.documentElement.lang = language.value;
});

export type Word = keyof Words;

/** A text, with what stands in braces filled in. */
export function say(word: Word, values: Record<string, string | number> = {}): string {
  return table.value[word].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** What the reports say too, and what regions, steps, settings and files are called: by key, then by language. */
const SHARED = new Map([names, shared].flatMap(readTsv).map((row) => [row["key"], row]));

/** A text that may not be there, such as the label of an option that the API has and this page does not know. */
export const sayIf = (word: string): string | undefined => table.value[word as Word] ?? SHARED.get(word)?.[language.value];

/** A text of the reports and this page. */
export const tell = (word: string): string => sayIf(word) ?? word;

/** A text in every language: who searches may know the word in any. */
export const inAll = (word: string): string => Object.keys(LANGUAGES).map((tag) => SHARED.get(word)?.[tag] ?? "").join(" ");

/** The reader's own way to write dates and numbers, where it is one of the chosen language. */
const region = computed(() => navigator.languages.find((tag) => tag.slice(0, 2) === language.value) ?? language.value);

export const formatNumber = (value: number, digits: number): string =>
  value.toLocaleString(region.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A number to four digits, however large. */
export const formatShort = (value: number): string => value.toLocaleString(region.value, { maximumSignificantDigits: 4 });

export const formatTime = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleString(region.value, { dateStyle: "medium", timeStyle: "short" });
