import type { Manifest } from "../api";
import { formatNumber, say } from "../words";

/** Nested settings under one name each, such as `ways.unet`, as the report has them. */
function flat(values: Record<string, unknown>, before = ""): [string, unknown][] {
  return Object.entries(values).flatMap(([name, value]): [string, unknown][] =>
    value && typeof value === "object" ? flat(value as Record<string, unknown>, `${before}${name}.`) : [[before + name, value]],
  );
}

/** How the map was made: what a methods section needs. */
export function Made({ manifest }: { manifest: Manifest }) {
  const pairs = (values: Record<string, unknown>) =>
    flat(values).map(([name, value]) => `${name} ${value === null ? "–" : String(value)}`).join(" · ");
  const total = Object.values(manifest.seconds).reduce((sum, seconds) => sum + seconds, 0);
  const weights = Object.entries(manifest.weights).map(([network, sha256]) => `${network} ${sha256?.slice(0, 12) ?? "–"}`);
  const facts: [string, string][] = [
    [say("madeSettings"), pairs(manifest.parameters)],
    [say("madeSeconds"), `${formatNumber(total, 0)} s`],
    [say("madeVersions"), pairs(manifest.software)],
    [say("madeWeights"), weights.join(" · ")],
    [say("madeInput"), manifest.input ? `${manifest.input.shape.join(" × ")}, ${manifest.input.axes}` : ""],
  ];
  return (
    <section class="card" aria-labelledby="made-title">
      <h2 id="made-title">{say("made")}</h2>
      <dl lang="en">
        {facts
          .filter(([, text]) => text)
          .map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{text}</dd>
            </div>
          ))}
      </dl>
      {manifest.citations && <Cite works={manifest.citations} />}
    </section>
  );
}

/** The works that this very map rests on, as a list of references has them. */
function Cite({ works }: { works: readonly string[] }) {
  return (
    <details class="cite">
      <summary>{say("cite")}</summary>
      <ul lang="en">
        {works.map((work) => (
          <li key={work}>{work}</li>
        ))}
      </ul>
    </details>
  );
}
