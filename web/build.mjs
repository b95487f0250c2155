// Builds the page into the gateway's package: `node build.mjs [folder]`.
//
// NiiVue is a file of its own, so that a change of ours leaves its 0.9 MB alone; it is loaded when a map is opened.
// File names hold a hash of their content: browsers keep them for ever. `built.json` names them, and the hash of the
// sources they were made from.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const out = process.argv[2] ?? join(here, "../services/gateway/parcela_gateway/page/built");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const common = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: out,
  metafile: true,
  legalComments: "none",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  logLevel: "warning",
};

// NiiVue reads Zarr through WebAssembly, which our policy forbids and no scan here needs: two thirds of its size.
const withoutZarr = {
  name: "without-zarr",
  setup(builder) {
    builder.onResolve({ filter: /^(zarrita|numcodecs)/ }, () => ({ path: "none", namespace: "none" }));
    builder.onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "module.exports = {}" }));
  },
};

// What NiiVue does for every voxel of a scan and our view has no use for. On a processor in place of a graphics card it
// takes two thirds of the time until a map is seen. Gradients are read by the shaded 3-D view alone, and ours is not
// shaded; under the first layer over the scan (layer 1) there is no other to blend with.
const SPARED = [
  [
    "this.volumeTexture = outTexture;\n      this.gradientTexture = gradientGL(",
    "this.volumeTexture = outTexture;\n      if (this.gradientTextureAmount > 0) this.gradientTexture = gradientGL(",
  ],
  ["if (layer < 1.0)", "if (layer < 1.5)"],
];
const withoutNeedlessWork = {
  name: "without-needless-work",
  setup(builder) {
    builder.onLoad({ filter: /@niivue\/niivue\/build\/niivue\/index\.js$/ }, ({ path }) => {
      let contents = readFileSync(path, "utf8");
      for (const [before, after] of SPARED) {
        if (!contents.includes(before)) throw new Error(`NiiVue no longer says ${before}: see build.mjs`);
        contents = contents.replaceAll(before, after);
      }
      return { contents, loader: "js" };
    });
  },
};

const nameOf = (result, entry) =>
  basename(Object.entries(result.metafile.outputs).find(([, made]) => made.entryPoint?.endsWith(entry))[0]);

const viewer = await build({ ...common, entryPoints: [join(here, "src/niivue.ts")], plugins: [withoutZarr, withoutNeedlessWork] });
const niivue = nameOf(viewer, "src/niivue.ts");

const ofItsOwn = {
  name: "niivue-of-its-own",
  setup(builder) {
    builder.onResolve({ filter: /^\.\.\/niivue$/ }, () => ({ path: `./${niivue}`, external: true }));
  },
};

const page = await build({
  ...common,
  splitting: true,
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".tsv": "text" },
  entryPoints: [join(here, "src/page.tsx"), join(here, "src/page.css")],
  plugins: [ofItsOwn],
});

// What the reports, the services and the page share: looks, words, names of regions, bounds of the quality.
const SHARED = ["bundle/templates/look.css", "bundle/data/words.tsv", "atlas/data/names.tsv", "quality/data/bounds.tsv"];

/** The hash of all that the page is made from: what a test without Node compares. */
function sources() {
  const hash = createHash("sha256");
  const inside = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true });
  const files = inside.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  for (const name of ["build.mjs", "package.json", "package-lock.json"]) files.push(join(here, name));
  for (const name of SHARED) files.push(join(here, "../shared/parcela", name));
  const named = files.map((file) => [relative(here, file), file]).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, file] of named) hash.update(`${name}\0`).update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** The licences of what was bundled, which must go along. */
function licences() {
  const inputs = [viewer, page].flatMap((result) => Object.keys(result.metafile.inputs));
  const packages = new Set(inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  return [...packages].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
    // NiiVue's package comes without the text of its licence
    const text = readFileSync(file ? join(folder, file) : join(here, "licenses", `${basename(name)}.txt`), "utf8");
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
}

writeFileSync(join(out, "LICENSES.txt"), licences().join(`\n${"-".repeat(80)}\n\n`));
const built = { script: nameOf(page, "src/page.tsx"), style: nameOf(page, "src/page.css"), sources: sources() };
writeFileSync(join(out, "built.json"), `${JSON.stringify(built, null, 2)}\n`);
for (const [file, made] of Object.entries({ ...viewer.metafile.outputs, ...page.metafile.outputs }))
  console.log(`${String(made.bytes).padStart(8)}  ${basename(file)}`);
