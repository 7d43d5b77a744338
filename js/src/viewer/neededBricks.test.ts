import { expect, test } from "vitest";
import type { Box } from "../core/box.ts";
import { map3, type Vec3 } from "../core/vec3.ts";
import {
  chooseLevel,
  countBricks,
  PRIORITY,
  parentsOf,
  prefetchBricks,
  type View,
  visibleBricks,
} from "./neededBricks.ts";
import { layoutPanels, voxelsPerPixel } from "./planes.ts";

const BOX: Box = { min: [0, 0, 0], max: [4096, 4096, 1024] };
const MAGS: Vec3[] = [
  [1, 1, 1],
  [2, 2, 1],
  [4, 4, 1],
  [8, 8, 2],
  [16, 16, 4],
];

function view(
  change: Partial<{ position: Vec3; zoom: number; ratio: number; only: "xy" | null }>,
): View {
  const { position = [2048, 2048, 512], zoom = 1, ratio = 1, only = null } = change;
  const { panels } = layoutPanels(804, 604, only);
  return { position, ratio, panels, perPixel: voxelsPerPixel([10, 10, 40], zoom) };
}

test("the level's voxels are about a device pixel, by its middle axis", () => {
  const level = (zoom: number, ratio = 1) => chooseLevel(MAGS, BOX, view({ zoom, ratio }), 1e6);
  expect([0.3, 1, 1.3, 1.5, 2, 4, 8, 100].map((zoom) => level(zoom))).toEqual([
    0, 0, 0, 1, 1, 2, 3, 4,
  ]);
  expect(level(2, 2)).toBe(0); // twice the pixels of the screen
  // Axes that are never made coarser don't hold the others back.
  const flat: Vec3[] = [
    [1, 1, 1],
    [2, 2, 1],
    [4, 4, 1],
  ];
  const cubes = { ...view({}), perPixel: [4, 4, 4] as Vec3 };
  expect(chooseLevel(flat, BOX, cubes, 1e6)).toBe(2);
});

test("where the GPU holds too few bricks, a coarser level is taken", () => {
  const here = view({ zoom: 1 });
  const need = countBricks(MAGS, 0, BOX, here);
  expect(chooseLevel(MAGS, BOX, here, need)).toBe(0);
  expect(chooseLevel(MAGS, BOX, here, need - 1)).toBe(1);
  expect(chooseLevel(MAGS, BOX, here, 1)).toBe(MAGS.length - 1);
});

test("all bricks under the panels are needed, each once, and no others", () => {
  const here = view({ zoom: 1, only: "xy", position: [2048, 2048, 512.5] });
  const fine = visibleBricks(MAGS, BOX, here, 0).filter(({ level }) => level === 0);
  const expected = new Set<string>();
  for (let x = 2048 - 402; x <= 2048 + 402; x += 1) {
    for (const y of [2048 - 302, 2048, 2048 + 302]) {
      expected.add(`${x >> 5},${y >> 5},${512 >> 5}`);
    }
  }
  const found = new Set(fine.map(({ brick }) => brick.join(",")));
  for (const brick of expected) expect(found.has(brick)).toBe(true);
  expect(fine.length).toBe(found.size);
  expect(fine.length).toBeLessThanOrEqual(27 * 20);
  expect(fine.every(({ brick }) => brick[2] === 16)).toBe(true);
});

test("coarse bricks come first, then from the middle outwards", () => {
  const here = view({ position: [2064, 2064, 528] });
  const needed = visibleBricks(MAGS, BOX, here, 0);
  const levels = needed.map(({ level }) => level);
  const coarse = levels.filter((level) => level === 3).length;
  expect(coarse).toBeGreaterThan(0);
  expect(new Set(levels.slice(0, coarse))).toEqual(new Set([3]));
  expect(new Set(levels.slice(coarse))).toEqual(new Set([0]));
  const priorities = needed.map(({ priority }) => priority);
  expect(priorities).toEqual([...priorities].sort((a, b) => a - b));
  expect(needed[coarse]?.brick).toEqual([64, 64, 16]);
});

test("nothing outside the layer's box is needed, also where it begins at negative places", () => {
  const box: Box = { min: [-40, 5, 500], max: [10, 30, 520] };
  const here = view({ position: [0, 10, 510] });
  const bricks = visibleBricks([[1, 1, 1]], box, here, 0).map(({ brick }) => brick);
  const expected = [-2, -1, 0].flatMap((x) => [`${x},0,15`, `${x},0,16`]);
  expect(new Set(bricks.map(String))).toEqual(new Set(expected));
  expect(visibleBricks([[1, 1, 1]], box, view({ position: [2048, 2048, 512] }), 0)).toEqual([]);
});

test("a movement prefetches on the side it goes to, behind all that is visible", () => {
  const here = view({ only: "xy", position: [2048, 2048, 505] });
  const seen = new Set(visibleBricks(MAGS, BOX, here, 0).map(({ key }) => key));
  const right = prefetchBricks(MAGS, BOX, here, 0, [5, 0, 0]);
  expect(right.length).toBeGreaterThan(0);
  expect(right.every(({ brick }) => brick[0] >= (2048 + 402) >> 5)).toBe(true);
  expect(right.some(({ key }) => !seen.has(key))).toBe(true);
  expect(right.every(({ priority }) => priority >= PRIORITY.prefetch)).toBe(true);
  const deeper = prefetchBricks(MAGS, BOX, here, 0, [0, 0, 1]);
  expect(new Set(deeper.map(({ brick }) => brick[2]))).toEqual(new Set([15, 16]));
  // Far from the next brick nothing is fetched ahead.
  const away = view({ only: "xy", position: [2048, 2048, 481] });
  const same = prefetchBricks(MAGS, BOX, away, 0, [0, 0, 1]);
  expect(new Set(same.map(({ brick }) => brick[2]))).toEqual(new Set([15]));
  expect(prefetchBricks(MAGS, BOX, here, 0, [0, 0, 0])).toEqual([]);
});

test("the parents of a brick cover it", () => {
  const brick = { key: "", level: 2, brick: [3, 2, 5] as Vec3, priority: 0 };
  const parents = parentsOf(brick, MAGS, BOX, view({}));
  expect(parents.map(({ level, brick }) => [level, brick])).toEqual([[3, [1, 1, 2]]]);
  // Mags that don't nest: a brick can lie in several.
  const odd: Vec3[] = [
    [1, 1, 1],
    [3, 3, 3],
  ];
  const over = parentsOf({ ...brick, level: 0, brick: [2, 0, 0] }, odd, BOX, view({}));
  expect(over.map(({ brick }) => brick)).toEqual([[0, 0, 0]]);
  const across = parentsOf({ ...brick, level: 0, brick: [3, 0, 0] }, odd, BOX, view({}));
  expect(across.map(({ brick }) => brick)).toEqual([[1, 0, 0]]);
  const half: Vec3[] = [
    [2, 2, 2],
    [3, 3, 3],
  ];
  const both = parentsOf({ ...brick, level: 0, brick: [1, 0, 0] }, half, BOX, view({}));
  expect(both.map(({ brick }) => map3((a) => brick[a]))).toEqual([
    [0, 0, 0],
    [1, 0, 0],
  ]);
});
