import { expect, test } from "vitest";
import type { Vec3 } from "../../core/vec3.ts";
import { brickKey } from "../brickAddress.ts";
import type { NeededBrick } from "../neededBricks.ts";
import { makePages, NO_PAGES, PAGE, type PageBox, parentOf } from "./pages.ts";

const MAGS: Vec3[] = [
  [1, 1, 1],
  [2, 2, 1],
  [4, 4, 2],
  [8, 8, 4],
  [16, 16, 8],
];

function need(level: number, ...brick: [number, number, number]): NeededBrick {
  return { key: brickKey(level, ...brick), level, brick, priority: 0 };
}

function residents(slots: Record<string, number>, missing: string[] = [], failed: string[] = []) {
  return {
    slotOf: (key: string) => slots[key],
    isMissing: (key: string) => missing.includes(key),
    hasFailed: (key: string) => failed.includes(key),
  };
}

/** As the shader reads a page. */
function look({ min, size, words }: PageBox, brick: Vec3) {
  const cell = brick.map((n, a) => n - (min[a] as number)) as unknown as Vec3;
  if (cell.some((n, a) => n < 0 || n >= (size[a] as number))) return null;
  const word = words[cell[0] + size[0] * (cell[1] + size[1] * cell[2])] as number;
  return {
    slot: (word & PAGE.hasVoxels) === 0 ? null : word & ((1 << PAGE.slotBits) - 1),
    up: (word >> PAGE.slotBits) & 3,
    isMissing: (word & PAGE.isMissing) !== 0,
    hasFailed: (word & PAGE.hasFailed) !== 0,
  };
}

const PLAIN = { up: 0, isMissing: false, hasFailed: false };

test("a brick leads to its slot, far out and at negative places too", () => {
  for (const far of [0, -5, 60_000]) {
    const needed = [need(0, far, 2, 3), need(0, far + 4, 2, 3), need(2, 0, 0, 1)];
    const pages = makePages(
      needed,
      0,
      MAGS,
      residents({ [brickKey(0, far + 4, 2, 3)]: 1_000_000 }),
    );
    expect(pages.size).toEqual([5, 1, 1]);
    expect(look(pages, [far + 4, 2, 3])).toEqual({ ...PLAIN, slot: 1_000_000 });
    expect(look(pages, [far, 2, 3])).toEqual({ ...PLAIN, slot: null });
    expect(look(pages, [far + 1, 2, 3])).toEqual({ ...PLAIN, slot: null });
    expect(look(pages, [far + 5, 2, 3])).toBeNull();
  }
});

test("the finest brick on the GPU stands in, at most three mags coarser", () => {
  const needed = [need(0, 13, 6, 5)];
  const at = (slots: Record<string, number>) =>
    look(makePages(needed, 0, MAGS, residents(slots)), [13, 6, 5]);
  expect(at({ "4/0,0,0": 9 })).toEqual({ ...PLAIN, slot: null });
  expect(at({ "4/0,0,0": 9, "3/1,0,1": 8 })).toEqual({ ...PLAIN, slot: 8, up: 3 });
  expect(at({ "3/1,0,1": 8, "1/6,3,5": 7 })).toEqual({ ...PLAIN, slot: 7, up: 1 });
  expect(at({ "1/6,3,5": 7, "0/13,6,5": 0 })).toEqual({ ...PLAIN, slot: 0 });
});

test("missing and failed bricks are told apart, and from those with a stand-in", () => {
  const needed = [need(0, 0, 0, 0), need(0, 1, 0, 0), need(0, 2, 0, 0)];
  const known = residents({ "1/1,0,0": 4 }, ["0/0,0,0"], ["0/1,0,0", "0/2,0,0"]);
  const pages = makePages(needed, 0, MAGS, known);
  expect(look(pages, [0, 0, 0])).toEqual({ ...PLAIN, slot: null, isMissing: true });
  expect(look(pages, [1, 0, 0])).toEqual({ ...PLAIN, slot: null, hasFailed: true });
  expect(look(pages, [2, 0, 0])).toEqual({ slot: 4, up: 1, isMissing: false, hasFailed: true });
});

test("a brick has a parent where it lies in one alone", () => {
  expect(parentOf([-1, 3, 5], [1, 1, 1], [2, 2, 1])).toEqual([-1, 1, 5]);
  expect(parentOf([5, 0, 0], [1, 1, 1], [3, 3, 3])).toEqual([1, 0, 0]);
  expect(parentOf([1, 0, 0], [2, 2, 2], [3, 3, 3])).toBeNull();
});

test("without bricks there is one empty page", () => {
  expect(makePages([need(3, 1, 1, 1)], 0, MAGS, residents({}))).toBe(NO_PAGES);
});
