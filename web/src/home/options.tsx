// How a scan is to be done. What can be chosen is read from the API's own description: a new option is here at once.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { fetchJson, type Kind } from "../api";
import { remembered } from "../memory";
import { say, sayIf } from "../words";

type Value = string | number | boolean;

interface Schema {
  type?: string;
  enum?: Value[];
  default?: Value | null;
  anyOf?: Schema[];
}

interface Parameter {
  name: string;
  in: string;
  description?: string;
  schema: Schema;
}

interface OpenApi {
  paths: Record<string, { post?: { parameters?: Parameter[] } }>;
}

const KINDS: Kind[] = ["predict", "label"];
const FIRST = new Set(["model", "preprocessing", "fast"]); // the others are behind a click
const OTHER_NAMES = new Set(["preprocess"]); // of an option that is there already

const described = signal<Partial<Record<Kind, Parameter[]>>>({});
export const kind = remembered<Kind>("kind", "predict");
const chosen = remembered<Record<string, Value>>("options", {});

async function describe(): Promise<void> {
  const { paths } = await fetchJson<OpenApi>("openapi.json");
  const ofKind = (name: Kind) =>
    (paths[`/${name}/`]?.post?.parameters ?? []).filter((each) => each.in === "query" && !OTHER_NAMES.has(each.name));
  described.value = { predict: ofKind("predict"), label: ofKind("label") };
}

/** The query of a submission: what differs from the defaults, and still is an option. */
export function queryOf(of: Kind): string {
  const query = new URLSearchParams();
  for (const { name, schema } of described.value[of] ?? []) {
    const value = chosen.value[name];
    const known = !schema.enum || (value !== undefined && schema.enum.includes(value));
    if (value !== undefined && value !== schema.default && known) query.set(name, String(value));
  }
  return query.toString();
}

const isFirst = ({ name }: Parameter): boolean => FIRST.has(name);

export function Options() {
  useEffect(() => void describe(), []);
  const parameters = described.value[kind.value] ?? [];
  return (
    <section class="card options" aria-labelledby="options-title">
      <h2 id="options-title">{say("options")}</h2>
      <label>
        {say("method")}
        <select value={kind.value} onChange={(event) => (kind.value = event.currentTarget.value as Kind)}>
          {KINDS.map((name) => (
            <option key={name} value={name}>
              {say(name === "predict" ? "methodPredict" : "methodLabel")}
            </option>
          ))}
        </select>
        <span class="note">{say("methodHint")}</span>
      </label>
      {parameters.filter(isFirst).map((parameter) => (
        <Option key={parameter.name} parameter={parameter} />
      ))}
      <details>
        <summary>{say("optionsMore")}</summary>
        {parameters
          .filter((parameter) => !isFirst(parameter))
          .map((parameter) => (
            <Option key={parameter.name} parameter={parameter} />
          ))}
      </details>
      <button type="button" class="quiet" onClick={() => ((chosen.value = {}), (kind.value = "predict"))}>
        {say("optionsReset")}
      </button>
    </section>
  );
}

function Option({ parameter: { name, description, schema } }: { parameter: Parameter }) {
  const label = sayIf(`option.${name}`) ?? name.replaceAll("_", " ");
  const hint = sayIf(`hint.${name}`) ?? description ?? "";
  const value = chosen.value[name] ?? schema.default ?? "";
  const choose = (given: Value) => (chosen.value = { ...chosen.value, [name]: given });
  const note = hint && (
    <span class="note" id={`hint-${name}`}>
      {hint}
    </span>
  );
  if (schema.type === "boolean") {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={value === true}
          aria-label={label}
          aria-describedby={`hint-${name}`}
          onChange={(event) => choose(event.currentTarget.checked)}
        />
        <span>
          {label}
          {note}
        </span>
      </label>
    );
  }
  if (!schema.enum) return null;
  return (
    <label>
      {label}
      <select
        value={String(value)}
        aria-label={label}
        aria-describedby={`hint-${name}`}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {schema.enum.map((each) => (
          <option key={String(each)} value={String(each)}>
            {sayIf(`option.${name}.${String(each)}`) ?? String(each)}
          </option>
        ))}
      </select>
      {note}
    </label>
  );
}
