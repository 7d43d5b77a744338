import { onTestFinished } from "vitest";
import { createViewer } from "./createViewer.ts";
import { layoutPanels, type Plane, type Rect } from "./planes.ts";
import type { BrickSource, Scene, StatePatch, ViewerHandle } from "./types.ts";

const STATUS_BAR = 22;

export type Pixel = [number, number, number, number];

export interface Mounted {
  viewer: ViewerHandle;
  el: HTMLElement;
  root: HTMLElement;
  stage: HTMLElement;
  /** Where a plane's panel lies on the stage. */
  panel(plane: Plane["id"]): Rect;
  /** The pixel at a place of the stage, drawn anew. */
  pixel(x: number, y: number): Pixel;
}

/** A viewer whose panels share `width` by `height` pixels, taken away when the test is over. */
export function mount(
  scene: Scene,
  source: BrickSource,
  state: StatePatch,
  [width, height]: readonly [number, number] = [200, 150],
): Mounted {
  const el = document.createElement("div");
  el.style.cssText = `position:relative;width:${width}px;height:${height + STATUS_BAR}px`;
  document.body.append(el);
  const viewer = createViewer(el, { scene, source, state });
  onTestFinished(() => {
    viewer.destroy();
    el.remove();
  });
  const isFlat = scene.boundingBox.depth === 1;
  const { panels } = layoutPanels(width, height, isFlat ? "xy" : null);
  const root = el.querySelector(".wk-viewer") as HTMLElement;
  return {
    viewer,
    el,
    root,
    stage: root.querySelector(".wk-viewer-stage") as HTMLElement,
    panel: (plane) => {
      const found = panels.find((panel) => panel.plane.id === plane);
      if (found === undefined) throw new Error(`no panel ${plane}`);
      return found.rect;
    },
    pixel: (x, y) => {
      const { data, width: wide } = viewer.readPixels();
      const at = (y * wide + x) * 4;
      return [...data.slice(at, at + 4)] as Pixel;
    },
  };
}

/** Wait for a condition, looking once a frame. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextFrame();
}

export function nextFrame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => resolve()));
}
