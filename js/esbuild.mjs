// Builds into wk_jupyter/widgets/static: loader.js (the widget's `_esm`), app/ (hashed modules that the
// extension serves, shared by all widgets of a page), manifest.json, bundle.js (all in one file, for
// hosts where no extension answers), and THIRD-PARTY-LICENSES.txt.
import { readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import esbuild from "esbuild";
import { licenseText, packagesOf } from "./licenses.mjs";
import { inlineWorkers } from "./plugins.mjs";
import { holdTo, reachedFrom } from "./sizes.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../wk_jupyter/widgets/static");
const ENTRY = "src/widgets/viewer.ts";
// The loader travels with every widget; the others count gzipped, as they do on the way to a page.
const LIMITS = {
  loader: 2048,
  "first picture": 80 * 1024,
  "whole viewer": 120 * 1024,
  "from the kernel": 120 * 1024,
};
/** What workers are made of, which the build's own list leaves out. */
const workerInputs = new Set();

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  absWorkingDir: here,
  loader: { ".css": "text" },
  plugins: [inlineWorkers.esbuild(workerInputs)],
};

async function build() {
  await rm(target, { recursive: true, force: true });
  const app = await esbuild.build({
    ...common,
    entryPoints: { viewer: ENTRY },
    outdir: join(target, "app"),
    splitting: true,
    entryNames: "[name]-[hash]",
    chunkNames: "chunk-[hash]",
    sourcemap: "linked",
    metafile: true,
  });
  const { inputs, outputs } = app.metafile;
  const [viewer] = Object.keys(outputs).filter((file) => outputs[file].entryPoint === ENTRY);
  await esbuild.build({ ...common, entryPoints: [ENTRY], outfile: join(target, "bundle.js") });
  const manifest = { viewer: relative(target, join(here, viewer)) };
  await writeFile(join(target, "manifest.json"), `${JSON.stringify(manifest)}\n`);
  const packages = packagesOf([...Object.keys(inputs), ...workerInputs], here);
  await writeFile(join(target, "THIRD-PARTY-LICENSES.txt"), await licenseText(packages));
  const loader = await esbuild.build({ ...common, entryPoints: ["src/loader.ts"], write: false });
  const { contents } = loader.outputFiles[0];
  const { first, later } = reachedFrom(viewer, outputs);
  const initial = await gzipped(first);
  checkSizes({
    loader: contents.length,
    "first picture": initial,
    "whole viewer": initial + (await gzipped(later)),
    "from the kernel": await gzipped([join(target, "bundle.js")]),
  });
  // Last, because its presence says that the build is complete.
  await writeFile(join(target, "loader.js"), contents);
}

function checkSizes(sizes) {
  const told = Object.entries(sizes).map(([name, bytes]) => `${name} ${bytes} of ${LIMITS[name]}`);
  console.log(`bytes: ${told.join(", ")}`);
  holdTo(LIMITS, sizes);
}

async function gzipped(files) {
  const contents = await Promise.all(files.map((file) => readFile(resolve(here, file))));
  return contents.reduce((sum, content) => sum + gzipSync(content).length, 0);
}

await build();
if (process.argv.includes("--watch")) {
  const { watch } = await import("node:fs");
  let pending;
  watch(join(here, "src"), { recursive: true }, () => {
    clearTimeout(pending);
    pending = setTimeout(() => build().catch((error) => console.error(error.message)), 100);
  });
}
