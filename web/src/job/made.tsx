import type { Manifest } from "../api";
import { formatNumber, say, sayIf, tell } from "../words";
import { networkName } from "./viewer";

type Fact = [name: string, text: string, meaning?: string | undefined];

/** Nested settings under one name each, such as `ways.unet`, as the report has them. */
function flat(values: Record<string, unknown>, before = ""): [string, unknown][] {
  return Object.entries(values).flatMap(([name, value]): [string, unknown][] =>
    value && typeof value === "object" ? flat(value as Record<string, unknown>, `${before}${name}.`) : [[before + name, value]],
  );
}

function setting([name, value]: [string, unknown]): Fact {
  const text = typeof value === "boolean" ? say(value ? "yes" : "no") : value === null ? "–" : String(value);
  return [sayIf(`setting.${name}`) ?? name, name === "model" ? networkName(text) : text, sayIf(`setting.${name}.hint`)];
}

/** How the map was made: what a methods section needs, each fact with what it means. */
export function Made({ manifest }: { manifest: Manifest }) {
  const settings = flat(manifest.parameters).map(setting);
  const seconds = Object.entries(manifest.seconds);
  const total = seconds.reduce((sum, [, s]) => sum + s, 0);
  const steps = seconds.map(([step, s]): Fact => [sayIf(`step.${step}`) ?? step, `${formatNumber(s, s < 10 ? 1 : 0)} s`]);
  const weights = Object.entries(manifest.weights).map(([network, sha256]) => `${networkName(network)} ${sha256?.slice(0, 12) ?? "–"}`);
  const versions = Object.entries(manifest.software).map(([name, version]) => `${name} ${version}`);
  const { shape = [], axes = "" } = manifest.input ?? {};
  const facts: Fact[] = [
    [say("madeInput"), axes && say("madeVoxels", { shape: shape.join(" × "), axes }), say("madeInputHint")],
    [say("madeWeights"), weights.join(" · "), say("madeWeightsHint")],
    [say("madeVersions"), versions.join(" · "), say("madeVersionsHint")],
  ];
  return (
    <section class="card" aria-labelledby="made-title">
      <h2 id="made-title">{tell("made")}</h2>
      <Facts facts={facts.filter(([, text]) => text)} />
      <details>
        <summary>
          {say("madeSettings")} ({settings.length})
        </summary>
        <Facts facts={settings} />
      </details>
      <details>
        <summary>
          {say("madeSeconds")}: {formatNumber(total, 0)} s
        </summary>
        <Facts facts={steps} />
      </details>
      {manifest.citations && <Cite works={manifest.citations} />}
    </section>
  );
}

const Facts = ({ facts }: { facts: readonly Fact[] }) => (
  <dl>
    {facts.map(([name, text, meaning]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>
          {text}
          {meaning && <span class="plain">{meaning}</span>}
        </dd>
      </div>
    ))}
  </dl>
);

/** The works that this very map rests on, as a list of references has them. */
const Cite = ({ works }: { works: readonly string[] }) => (
  <details>
    <summary>{tell("cite")}</summary>
    <ul class="cite" lang="en">
      {works.map((work) => (
        <li key={work}>{work}</li>
      ))}
    </ul>
  </details>
);
