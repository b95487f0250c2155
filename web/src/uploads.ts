// Scans on their way to the gateway: two at a time, each with a key of its own, so that one sent twice is one job.
import { signal } from "@preact/signals";
import { type Job, type Kind, locked, type Problem } from "./api";
import { enter } from "./jobs";
import { nameScan } from "./memory";

const AT_A_TIME = 2;
const AGAIN_S = 5;
const WORTH_ANOTHER = new Set([0, 408, 429, 502, 503, 504]); // 0: no answer came

export interface Upload {
  key: string;
  file: File;
  kind: Kind;
  query: string;
  state: "waiting" | "sending" | "again" | "refused";
  sent: number;
  problem: string;
}

export const uploads = signal<readonly Upload[]>([]);

export function send(files: readonly File[], kind: Kind, query: string): void {
  const made = files.map((file): Upload => ({ key: newKey(), file, kind, query, state: "waiting", sent: 0, problem: "" }));
  uploads.value = [...uploads.value, ...made];
  begin();
}

export function dismiss(upload: Upload): void {
  uploads.value = uploads.value.filter((other) => other.key !== upload.key);
  requests.get(upload.key)?.abort();
  begin();
}

/** Forget what was not sent: it is of who signs out. */
export function dismissAll(): void {
  for (const upload of uploads.value) dismiss(upload);
}

const requests = new Map<string, XMLHttpRequest>();

function change(key: string, what: Partial<Upload>): void {
  uploads.value = uploads.value.map((upload) => (upload.key === key ? { ...upload, ...what } : upload));
}

function begin(): void {
  const sending = uploads.value.filter((upload) => upload.state === "sending").length;
  const next = uploads.value.filter((upload) => upload.state === "waiting").slice(0, AT_A_TIME - sending);
  for (const upload of next) post(upload);
}

function post(upload: Upload): void {
  change(upload.key, { state: "sending", sent: 0, problem: "" });
  // fetch() does not tell how much of a body has been sent
  const request = new XMLHttpRequest();
  requests.set(upload.key, request);
  request.upload.onprogress = (event) => change(upload.key, { sent: event.loaded / event.total });
  request.onloadend = () => {
    requests.delete(upload.key);
    if (uploads.value.some((other) => other.key === upload.key)) end(upload, request);
  };
  request.open("POST", `${upload.kind}/${upload.query ? `?${upload.query}` : ""}`);
  request.setRequestHeader("Idempotency-Key", upload.key);
  const form = new FormData();
  form.append("file", upload.file, "scan"); // the name stays here
  request.send(form);
}

function end(upload: Upload, request: XMLHttpRequest): void {
  if (request.status === 202) {
    const job = JSON.parse(request.responseText) as Job;
    nameScan(job.id, upload.file.name);
    enter(job);
    uploads.value = uploads.value.filter((other) => other.key !== upload.key);
  } else if (WORTH_ANOTHER.has(request.status) || request.status === 401) {
    if (request.status === 401) locked.value = true;
    change(upload.key, { state: "again", problem: detailOf(request) });
    const pause_s = Number(request.getResponseHeader("Retry-After")) || AGAIN_S;
    window.setTimeout(() => {
      change(upload.key, { state: "waiting" }); // nothing, where it was dismissed
      begin();
    }, pause_s * 1000);
  } else {
    change(upload.key, { state: "refused", problem: detailOf(request) });
  }
  begin();
}

function detailOf(request: XMLHttpRequest): string {
  try {
    return (JSON.parse(request.responseText) as Problem).detail;
  } catch {
    return request.status ? `${request.status} ${request.statusText}` : "";
  }
}

/** 128 random bits; `randomUUID` is there behind TLS alone. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
