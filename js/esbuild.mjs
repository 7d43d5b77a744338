// Builds into wk_jupyter/widgets/static: loader.js (the widget's `_esm`), app/ (hashed modules that the
// extension serves, shared by all widgets of a page), manifest.json, and bundle.js (all in one file, for
// hosts where no extension answers).
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import esbuild from "esbuild";
import { inlineWorkers } from "./plugins.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../wk_jupyter/widgets/static");
const LOADER_BYTES = 2048;
const VIEWER_GZIP_BYTES = 150 * 1024;

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  absWorkingDir: here,
  loader: { ".css": "text" },
  plugins: [inlineWorkers.esbuild()],
};

async function build() {
  await rm(target, { recursive: true, force: true });
  const app = await esbuild.build({
    ...common,
    entryPoints: { viewer: "src/widgets/viewer.ts" },
    outdir: join(target, "app"),
    splitting: true,
    entryNames: "[name]-[hash]",
    chunkNames: "chunk-[hash]",
    sourcemap: "linked",
    metafile: true,
  });
  const manifest = {};
  let initial = 0;
  for (const [file, output] of Object.entries(app.metafile.outputs)) {
    if (output.entryPoint === "src/widgets/viewer.ts") {
      manifest.viewer = relative(target, join(here, file));
      initial = await gzipped(join(here, file));
    }
  }
  await esbuild.build({
    ...common,
    entryPoints: ["src/widgets/viewer.ts"],
    outfile: join(target, "bundle.js"),
  });
  await writeFile(join(target, "manifest.json"), `${JSON.stringify(manifest)}\n`);
  // Last, because its presence says that the build is complete.
  await esbuild.build({
    ...common,
    entryPoints: ["src/loader.ts"],
    outfile: join(target, "loader.js"),
  });
  const loader = (await stat(join(target, "loader.js"))).size;
  console.log(`loader ${loader} bytes, viewer ${initial} bytes gzipped`);
  if (loader > LOADER_BYTES) throw new Error(`loader.js is over ${LOADER_BYTES} bytes`);
  if (initial > VIEWER_GZIP_BYTES)
    throw new Error(`the viewer is over ${VIEWER_GZIP_BYTES} bytes gzipped`);
}

async function gzipped(file) {
  return gzipSync(await readFile(file)).length;
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
