import { map3 } from "../core/vec3.ts";
import { make } from "./dom.ts";
import { lengthsText, toNanometers } from "./scaleBar.ts";
import type { Scene } from "./types.ts";

const KEYS = "Drag to pan, scroll for slices, Ctrl+scroll to zoom, double-click to go there.";

/** What the dataset is, for the quarter that no plane takes. */
export function makeFacts(scene: Scene): HTMLElement {
  const facts = document.createElement("div");
  facts.className = "wk-facts";
  const { factor, unit } = scene.voxelSize;
  const { width, height, depth } = scene.boundingBox;
  const size = [width, height, depth] as const;
  const nanometers = map3((a) => factor[a] * toNanometers(unit));
  const extent = map3((a) => size[a] * nanometers[a]);
  make("div", "wk-facts-name", facts).textContent = scene.name;
  const list = make("dl", "wk-facts-list", facts);
  addFact(list, "Size", `${size.join(" × ")} voxels`);
  addFact(list, "", lengthsText(extent));
  addFact(list, "Voxel", lengthsText(nanometers));
  for (const { name, elementClass, numChannels, mags } of scene.layers) {
    const channels = numChannels > 1 ? `, ${numChannels} channels` : "";
    addFact(
      list,
      name,
      `${elementClass}${channels}, ${mags.length} ${mags.length === 1 ? "mag" : "mags"}`,
    );
  }
  make("div", "wk-facts-keys", facts).textContent = KEYS;
  return facts;
}

function addFact(list: HTMLElement, name: string, value: string): void {
  make("dt", "", list).textContent = name;
  make("dd", "", list).textContent = value;
}
