import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";
import { expect, onTestFinished, test } from "vitest";
import { licenseText, packagesOf } from "./licenses.mjs";
import { inlineWorkers } from "./plugins.mjs";
import { holdTo, reachedFrom } from "./sizes.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** A project of these files, built in chunks; gives its metafile, and what its workers are made of. */
async function built(files) {
  const folder = await mkdtemp(join(tmpdir(), "build-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const workerInputs = new Set();
  const { metafile } = await esbuild.build({
    absWorkingDir: folder,
    entryPoints: ["entry.js"],
    bundle: true,
    format: "esm",
    splitting: true,
    outdir: "out",
    chunkNames: "[name]",
    write: false,
    metafile: true,
    plugins: [inlineWorkers.esbuild(workerInputs)],
  });
  return { folder, metafile, workerInputs };
}

const PACKAGE = {
  "node_modules/@some/thing/package.json": '{"version": "1.2.3", "license": "MIT", "main": "i.js"}',
  "node_modules/@some/thing/i.js": "export const thing = 1;",
};

test("what an entry starts with is told from what it loads later, with all that these lead to", async () => {
  const { metafile } = await built({
    "entry.js": 'import { a } from "./a.js"; export const later = () => import("./late.js"); a();',
    "a.js": "export const a = () => 1;",
    "late.js": 'import { a } from "./a.js"; import("./later.js"); export default a();',
    "later.js": 'export default "later";',
  });
  const { first, later } = reachedFrom("out/entry.js", metafile.outputs);
  expect(first).toContain("out/entry.js");
  expect(first.some((file) => /chunk/.test(file))).toBe(true);
  expect(later.sort()).toEqual(["out/late.js", "out/later.js"]);
});

test("a size over its limit is an error that names it", () => {
  holdTo({ loader: 10, viewer: 20 }, { loader: 10, viewer: 3 });
  expect(() => holdTo({ loader: 10, viewer: 20 }, { loader: 9, viewer: 21 })).toThrow(
    "viewer has 21 bytes of at most 20.",
  );
});

test("packages are found in modules and in workers, and their licences are told", async () => {
  const { folder, metafile, workerInputs } = await built({
    "entry.js": 'import source from "./w.worker.js?worker-source"; console.log(source);',
    "w.worker.js": 'import { thing } from "@some/thing"; postMessage(thing);',
    ...PACKAGE,
    "node_modules/@some/thing/LICENSE.md": "Copyright A. Person\n",
    "node_modules/@some/thing/NOTICE": "Parts by B. Person\n",
  });
  expect(packagesOf(Object.keys(metafile.inputs), folder).size).toBe(0);
  const found = packagesOf(workerInputs, process.cwd());
  expect([...found.keys()]).toEqual(["@some/thing"]);
  const text = await licenseText(found);
  expect(text).toMatch(/@some\/thing 1\.2\.3 \(MIT\)[\s\S]*A\. Person[\s\S]*B\. Person/);
});

test("a package without a licence file can't be bundled", async () => {
  const { folder, metafile } = await built({
    "entry.js": 'import { thing } from "@some/thing"; console.log(thing);',
    ...PACKAGE,
  });
  const found = packagesOf(Object.keys(metafile.inputs), folder);
  await expect(licenseText(found)).rejects.toThrow("@some/thing is bundled, but has no licence");
});

test("the licences of zstddec name zstd's too", async () => {
  const text = await licenseText(packagesOf(["node_modules/zstddec/dist/zstddec.mjs"], here));
  expect(text).toContain("Don McCurdy");
  expect(text).toContain("For Zstandard software");
});
