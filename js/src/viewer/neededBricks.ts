import { type Box, intersection } from "../core/box.ts";
import { AXES, type Axis, map3, type Vec3 } from "../core/vec3.ts";
import { BRICK, brickKey } from "./brickAddress.ts";
import { PRIORITY_STEP } from "./brickQueue.ts";
import type { Panel } from "./planes.ts";

/** How many coarser mags stand in where finer bricks are not there. */
export const FALLBACK_MAGS = 3;

/** A brick that a view needs, or would soon. The smallest priority is fetched and uploaded first. */
export interface NeededBrick {
  /** Within the layer. */
  readonly key: string;
  /** Index into the layer's mags. */
  readonly level: number;
  readonly brick: Vec3;
  readonly priority: number;
}

/** Within a step the distance from the middle of the view counts. */
export const PRIORITY = {
  coarse: 0,
  wanted: PRIORITY_STEP,
  behindMissing: 2 * PRIORITY_STEP,
  prefetch: 3 * PRIORITY_STEP,
} as const;

const FARTHEST = PRIORITY_STEP - 1;

export interface View {
  position: Vec3;
  /** mag-1 voxels per CSS pixel. */
  perPixel: Vec3;
  /** Device pixels per CSS pixel. */
  ratio: number;
  panels: readonly Panel[];
}

/** What of the dataset a panel shows, one voxel thick, in mag-1 voxels. */
export function panelBox({ plane, rect }: Panel, view: View): Box {
  const half = map3((a) => {
    // Half a pixel more on each side, for the shader's rounding.
    if (a === plane.u) return (rect.width / 2 + 0.5) * view.perPixel[a];
    return a === plane.v ? (rect.height / 2 + 0.5) * view.perPixel[a] : 0;
  });
  const through = Math.floor(view.position[plane.w]);
  return {
    min: map3((a) => (a === plane.w ? through : Math.floor(view.position[a] - half[a]))),
    max: map3((a) => (a === plane.w ? through + 1 : Math.ceil(view.position[a] + half[a]))),
  };
}

/** The bricks of a mag that touch a box, as a half-open range. */
export function brickRange(box: Box, mag: Vec3): Box {
  return {
    min: map3((a) => Math.floor(box.min[a] / (mag[a] * BRICK))),
    max: map3((a) => Math.ceil(box.max[a] / (mag[a] * BRICK))),
  };
}

function rangeSize({ min, max }: Box): number {
  return (max[0] - min[0]) * (max[1] - min[1]) * (max[2] - min[2]);
}

/**
 * The level whose voxels are nearest to a device pixel, or a coarser one where its bricks and their stand-ins would
 * be more than `maxBricks`. The middle one of the three axes counts: in the plane that suits a mag best it is the
 * finer side of a voxel, so neither thick slices nor an axis that is never made coarser (flat data) mislead.
 */
export function chooseLevel(
  mags: readonly Vec3[],
  layer: Box,
  view: View,
  maxBricks: number,
): number {
  let level = 0;
  let best = Number.POSITIVE_INFINITY;
  mags.forEach((mag, i) => {
    const pixels = AXES.map((a) => (mag[a] / view.perPixel[a]) * view.ratio);
    const [, middle = 1] = pixels.sort((a, b) => a - b);
    const distance = Math.abs(Math.log2(middle));
    // The finer one wins a draw, but for rounding.
    if (distance < best - 1e-6) {
      best = distance;
      level = i;
    }
  });
  while (level < mags.length - 1 && countBricks(mags, level, layer, view) > maxBricks) level += 1;
  return level;
}

/** How many bricks a layer needs at a level and at the level that stands in for it. */
export function countBricks(mags: readonly Vec3[], level: number, layer: Box, view: View): number {
  let count = 0;
  for (const l of new Set([level, standIn(mags, level)])) {
    for (const panel of view.panels) {
      const box = intersection(panelBox(panel, view), layer);
      if (box !== null) count += rangeSize(brickRange(box, mags[l] as Vec3));
    }
  }
  return count;
}

/** The coarse level that is fetched first, because few of its bricks fill the view. */
export function standIn(mags: readonly Vec3[], level: number): number {
  return Math.min(level + FALLBACK_MAGS, mags.length - 1);
}

/** The bricks that the panels show at a level and at its stand-in, the most urgent first. */
export function visibleBricks(
  mags: readonly Vec3[],
  layer: Box,
  view: View,
  level: number,
): NeededBrick[] {
  const needed = new Map<string, NeededBrick>();
  const coarse = standIn(mags, level);
  for (const panel of view.panels) {
    const box = intersection(panelBox(panel, view), layer);
    if (box === null) continue;
    if (coarse !== level) collect(needed, mags, coarse, box, view, PRIORITY.coarse);
    collect(needed, mags, level, box, view, PRIORITY.wanted);
  }
  return [...needed.values()].sort((a, b) => a.priority - b.priority);
}

/**
 * The bricks that the view will need if it goes on as it did: a rim around each panel on the side that one
 * moves to, and the next bricks through the planes once the movement comes near them.
 */
export function prefetchBricks(
  mags: readonly Vec3[],
  layer: Box,
  view: View,
  level: number,
  movement: Vec3,
): NeededBrick[] {
  const needed = new Map<string, NeededBrick>();
  const mag = mags[level] as Vec3;
  for (const panel of view.panels) {
    const shown = panelBox(panel, view);
    for (const axis of AXES) {
      const direction = Math.sign(movement[axis]);
      if (direction === 0) continue;
      const reach = mag[axis] * (axis === panel.plane.w ? BRICK / 2 : BRICK);
      const box = intersection(beside(shown, axis, direction, reach), layer);
      if (box !== null) collect(needed, mags, level, box, view, PRIORITY.prefetch);
    }
  }
  return [...needed.values()].sort((a, b) => a.priority - b.priority);
}

/** The bricks of the next coarser mag where a brick lies. */
export function parentsOf(
  { level, brick }: NeededBrick,
  mags: readonly Vec3[],
  layer: Box,
  view: View,
): NeededBrick[] {
  const mag = mags[level] as Vec3;
  const own: Box = {
    min: map3((a) => brick[a] * BRICK * mag[a]),
    max: map3((a) => (brick[a] + 1) * BRICK * mag[a]),
  };
  const needed = new Map<string, NeededBrick>();
  const box = intersection(own, layer);
  if (box !== null && level + 1 < mags.length) {
    collect(needed, mags, level + 1, box, view, PRIORITY.behindMissing);
  }
  return [...needed.values()];
}

/** The part of the dataset that comes next to a box on one side. */
function beside(box: Box, axis: Axis, direction: number, reach: number): Box {
  const [from, to] =
    direction > 0 ? [box.max[axis], box.max[axis] + reach] : [box.min[axis] - reach, box.min[axis]];
  return {
    min: map3((a) => (a === axis ? from : box.min[a])),
    max: map3((a) => (a === axis ? to : box.max[a])),
  };
}

function collect(
  needed: Map<string, NeededBrick>,
  mags: readonly Vec3[],
  level: number,
  box: Box,
  view: View,
  step: number,
): void {
  const mag = mags[level] as Vec3;
  const { min, max } = brickRange(box, mag);
  for (let z = min[2]; z < max[2]; z += 1) {
    for (let y = min[1]; y < max[1]; y += 1) {
      for (let x = min[0]; x < max[0]; x += 1) {
        const key = brickKey(level, x, y, z);
        if (needed.has(key)) continue;
        const brick: Vec3 = [x, y, z];
        needed.set(key, { key, level, brick, priority: step + distance(brick, mag, view) });
      }
    }
  }
}

/** How far a brick is from the position, in hundreds of CSS pixels. */
function distance(brick: Vec3, mag: Vec3, view: View): number {
  const away = AXES.map((a) => {
    const low = brick[a] * BRICK * mag[a];
    const nearest = Math.min(Math.max(view.position[a], low), low + BRICK * mag[a]);
    return (nearest - view.position[a]) / view.perPixel[a];
  });
  return Math.min(Math.hypot(...away) / 100, FARTHEST);
}
