import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

// The direction of imports, as ARCHITECTURE.md draws it, read off the source.

const SRC = dirname(fileURLToPath(import.meta.url));

/** What each part may import besides itself: folders, modules, packages; `type:` what is gone when it is built. */
const ALLOWED: Record<string, string[]> = {
  core: [],
  viewer: ["core"],
  api: ["core", "type:viewer/types", "viewer/voxels", "zstddec", "type:@anywidget/types"],
  widgets: ["core", "api", "viewer", "type:@anywidget/types"],
  // It is sent for every widget, so it holds nothing but itself.
  loader: ["type:@anywidget/types"],
};

/** Tests, and what they share: these import what they like, and nothing that ships imports them. */
const isForTests = (module: string) => /(\.test|[tT]esting|\bsamples)$/.test(module);

const MODULES = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();

interface Import {
  readonly name: string;
  readonly isType: boolean;
}

function importsOf(module: string): Import[] {
  const source = readFileSync(join(SRC, `${module}.ts`), "utf8");
  const statements =
    /^\s*(?:import|export)\s+(type\s)?(?:[^;"]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...source.matchAll(statements)].map(([, type, named, loaded]) => {
    const path = (named ?? loaded) as string;
    const isOurs = path.startsWith(".");
    const name = isOurs ? relative(SRC, join(SRC, dirname(module), path)) : path;
    return { name: name.replace(/\.ts(\?.*)?$/, ""), isType: type !== undefined };
  });
}

function within(name: string, places: string[]): boolean {
  return places.some((place) => name === place || name.startsWith(`${place}/`));
}

function partOf(module: string): string {
  return (module.split("/")[0] as string).split(".")[0] as string;
}

test.each(MODULES.filter((module) => !isForTests(module)))(
  "%s imports what is below it",
  (module) => {
    const part = partOf(module);
    const allowed = ALLOWED[part];
    if (allowed === undefined)
      throw new Error(`${module} has no place in the layers: give it one here`);
    const types = allowed.map((place) => place.replace(/^type:/, ""));
    const upward = importsOf(module).filter(
      ({ name, isType }) =>
        isForTests(name) || !within(name, [part, ...(isType ? types : allowed)]),
    );
    expect(upward).toEqual([]);
  },
);

test("imports are found in every way of writing them", () => {
  expect(importsOf("api/decoderPool").map(({ name }) => name)).toEqual([
    "api/decode.worker",
    "api/decode.worker",
  ]);
  expect(importsOf("api/bricks")).toContainEqual({ name: "viewer/types", isType: true });
  expect(importsOf("viewer/viewer")).toContainEqual({ name: "viewer/types", isType: true });
  expect(importsOf("widgets/viewer")).toContainEqual({
    name: "viewer/createViewer",
    isType: false,
  });
});
