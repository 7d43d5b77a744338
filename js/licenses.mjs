// The licences of what is bundled from other people's packages, which ask to be shipped with their notices.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const IN_PACKAGE = /^(.*?\bnode_modules\/((?:@[^/]+\/)?[^/]+))\//;
const LICENSE_FILE = /^(licen[cs]e|copying|notice)\b/i;

/** The folders of the packages that files lie in, by name. `inputs` are paths relative to `base`. */
export function packagesOf(inputs, base) {
  const found = new Map();
  for (const input of inputs) {
    const [, folder, name] = IN_PACKAGE.exec(input) ?? [];
    if (name !== undefined) found.set(name, join(base, folder));
  }
  return new Map([...found].sort());
}

/** One text with each package's name, version, licence and licence files. Throws where a package has none. */
export async function licenseText(packages) {
  const parts = [];
  for (const [name, folder] of packages) {
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const files = (await readdir(folder)).filter((file) => LICENSE_FILE.test(file)).sort();
    if (files.length === 0) throw new Error(`${name} is bundled, but has no licence file`);
    const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
    parts.push([`${name} ${version} (${license})`, ...texts.map((text) => text.trim())]);
  }
  const rule = "=".repeat(78);
  return `The JavaScript in this folder contains the following packages.\n\n${parts
    .map(([title, ...texts]) => `${rule}\n${title}\n${rule}\n\n${texts.join("\n\n")}\n`)
    .join("\n")}`;
}
