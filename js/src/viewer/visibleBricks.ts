import { type Box, intersection } from "../core/box.ts";
import { map3, type Vec3 } from "../core/vec3.ts";
import type { Panel } from "./planes.ts";

export const BRICK = 32;

/** How many coarser mags stand in while finer bricks are on their way. */
export const FALLBACK_MAGS = 3;

// A voxel should span about a screen pixel; below this share of one, the next coarser mag is taken.
const LEAST_PIXELS_PER_VOXEL = 0.75;

export interface View {
  position: Vec3;
  perPixel: Vec3;
  /** Device pixels per CSS pixel. */
  ratio: number;
  panels: readonly Panel[];
}

export interface WantedBrick {
  /** Index into the layer's mags. */
  level: number;
  brick: Vec3;
  /** Smaller is sooner. */
  priority: number;
}

/** The part of the dataset that a panel shows, one voxel thick, in mag-1 voxels. */
export function panelBox(panel: Panel, view: View): Box {
  const { plane, rect } = panel;
  const half = map3((a) => {
    if (a === plane.w) return 0;
    return ((a === plane.u ? rect.width : rect.height) / 2) * view.perPixel[a];
  });
  const through = Math.floor(view.position[plane.w]);
  return {
    min: map3((a) => (a === plane.w ? through : Math.floor(view.position[a] - half[a]))),
    max: map3((a) => (a === plane.w ? through + 1 : Math.ceil(view.position[a] + half[a]))),
  };
}

/** The mag to draw with: an index into `mags`, which are finest first. */
export function chooseLevel(
  mags: readonly Vec3[],
  layer: Box,
  view: View,
  maxBricks: number,
): number {
  const fine = mags.findIndex((mag) => {
    const pixels = map3((a) => (mag[a] / view.perPixel[a]) * view.ratio);
    return Math.min(...pixels) >= LEAST_PIXELS_PER_VOXEL;
  });
  let level = fine === -1 ? mags.length - 1 : fine;
  while (level < mags.length - 1 && countBricks(mags[level] as Vec3, layer, view) > maxBricks) {
    level += 1;
  }
  return level;
}

function brickRange(box: Box, mag: Vec3): Box {
  return {
    min: map3((a) => Math.floor(box.min[a] / (mag[a] * BRICK))),
    max: map3((a) => Math.ceil(box.max[a] / (mag[a] * BRICK))),
  };
}

function countBricks(mag: Vec3, layer: Box, view: View): number {
  let count = 0;
  for (const panel of view.panels) {
    const box = intersection(panelBox(panel, view), layer);
    if (box === null) continue;
    const range = brickRange(box, mag);
    count += map3((a) => range.max[a] - range.min[a]).reduce((product, n) => product * n, 1);
  }
  return count;
}

/**
 * The bricks that a layer needs for a view: the chosen level and up to three coarser ones, coarse
 * first (they are few and fill the view at once), near the centre first; at most `maxBricks`.
 */
export function visibleBricks(
  mags: readonly Vec3[],
  layer: Box,
  view: View,
  maxBricks: number,
): WantedBrick[] {
  const finest = chooseLevel(mags, layer, view, maxBricks);
  const wanted = new Map<string, WantedBrick>();
  for (let level = finest; level < Math.min(mags.length, finest + 1 + FALLBACK_MAGS); level += 1) {
    const mag = mags[level] as Vec3;
    for (const panel of view.panels) {
      const box = intersection(panelBox(panel, view), layer);
      if (box !== null) addBricks(wanted, { level, mag, finest }, brickRange(box, mag), view);
    }
  }
  return [...wanted.values()].sort((a, b) => a.priority - b.priority).slice(0, maxBricks);
}

function addBricks(
  wanted: Map<string, WantedBrick>,
  at: { level: number; mag: Vec3; finest: number },
  range: Box,
  view: View,
): void {
  const { level, mag, finest } = at;
  const steps = finest + FALLBACK_MAGS - level;
  for (let z = range.min[2]; z < range.max[2]; z += 1) {
    for (let y = range.min[1]; y < range.max[1]; y += 1) {
      for (let x = range.min[0]; x < range.max[0]; x += 1) {
        const key = `${level}/${x},${y},${z}`;
        if (wanted.has(key)) continue;
        const brick: Vec3 = [x, y, z];
        const away = map3((a) => {
          const center = (brick[a] + 0.5) * BRICK * mag[a];
          return (center - view.position[a]) / view.perPixel[a];
        });
        // A mag step outweighs any distance on a screen.
        wanted.set(key, { level, brick, priority: steps * 1e6 + Math.hypot(...away) });
      }
    }
  }
}
