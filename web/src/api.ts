// The gateway's API. Addresses are relative to the page's own, so that a proxy may publish it under a path.
import { signal } from "@preact/signals";

export type Status = "queued" | "preprocessing" | "parcellating" | "labelling" | "done" | "failed" | "cancelled";
export type Kind = "predict" | "label";
export type Verdict = "ok" | "look" | "doubtful";

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
}

export interface Job {
  id: string;
  kind: Kind;
  status: Status;
  waiting: boolean;
  step: string;
  progress: number;
  attempt: number;
  created: number;
  started: number | null;
  finished: number | null;
  problem: Problem | null;
  quality: { verdict: Verdict; reasons: string[] } | null;
  links: Record<string, string>;
}

export interface Installation {
  version: string;
  keys: boolean;
  retention_days: number;
  store: "folder" | "s3";
  max_bytes: number;
}

export interface Quality {
  verdict: Verdict;
  reasons: string[];
  numbers: Record<string, number | null>;
  certainty?: Record<string, number>;
}

export interface Manifest {
  task: string;
  parameters: Record<string, unknown>;
  software: Record<string, string>;
  weights: Record<string, string | null>;
  seconds: Record<string, number>;
  warnings: string[];
  citations?: string[]; // an older release told none
  quality: Quality | null;
  input: { shape: number[]; axes: string; sha256: string } | null;
}

export interface BundleFile {
  name: string;
  size: number;
  href: string;
}

/** Whether a key has to be given before anything else. */
export const locked = signal(false);

/** A refusal of the gateway, in its own words. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
}

export async function ask(path: string, init?: RequestInit): Promise<Response> {
  const answer = await fetch(path, { ...init, credentials: "same-origin" });
  if (answer.ok) return answer;
  if (answer.status === 401) locked.value = true;
  throw new Refusal(await problemOf(answer));
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    return (await answer.json()) as Problem;
  } catch {
    return { type: "", title: answer.statusText, status: answer.status, detail: `${answer.status} ${answer.statusText}` };
  }
}

export const fetchJson = async <T>(path: string): Promise<T> => (await (await ask(path)).json()) as T;

export const fetchText = async (path: string): Promise<string> => (await ask(path)).text();

/** The bytes of a file, telling how many have come (of how many; 0: not known). */
export async function fetchBytes(path: string, tell: (come: number, of: number) => void): Promise<ArrayBuffer> {
  const answer = await ask(path);
  const of = Number(answer.headers.get("content-length") ?? 0);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let come = 0;
  const reader = answer.body!.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(next.value);
    tell((come += next.value.length), of);
  }
  return await new Blob(pieces).arrayBuffer();
}

export const fileOf = (job: Job, name: string): string => `${job.links["files"]}/${name}`;

export const scanOf = (job: Job): string => `${job.links["self"]}/scan`;

export async function signIn(key: string): Promise<void> {
  await ask("session", { method: "POST", headers: { Authorization: `Bearer ${key}` } });
  locked.value = false;
}

export async function signOut(): Promise<void> {
  await ask("session", { method: "DELETE" });
  locked.value = true;
}
