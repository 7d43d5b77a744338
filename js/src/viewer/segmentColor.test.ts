import { expect, test } from "vitest";
import { segmentColor } from "./segmentColor.ts";

test("a colour belongs to an id for good", () => {
  const rounded = (id: bigint) => segmentColor(id).map((n) => Math.round(n * 255));
  expect(rounded(1n)).toEqual(rounded(1n));
  // Pinned: pictures made on the server and notebooks saved earlier show the same colours.
  expect([1n, 2n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n].map(rounded)).toEqual([
    [174, 219, 67],
    [208, 84, 234],
    [50, 254, 47],
    [20, 229, 25],
    [83, 204, 164],
  ]);
});

test("ids beyond 2^53 that differ by one differ in colour; signed ids are taken as unsigned", () => {
  expect(segmentColor(2n ** 53n)).not.toEqual(segmentColor(2n ** 53n + 1n));
  expect(segmentColor(-1n)).toEqual(segmentColor(2n ** 64n - 1n));
});

test("colours are bright and spread over all hues", () => {
  const sectors = new Set<string>();
  for (let id = 1n; id <= 300n; id += 1n) {
    const rgb = segmentColor(id);
    expect(Math.max(...rgb)).toBeGreaterThanOrEqual(0.75);
    expect(Math.min(...rgb)).toBeLessThanOrEqual(0.45);
    sectors.add(`${rgb.indexOf(Math.max(...rgb))}${rgb.indexOf(Math.min(...rgb))}`);
  }
  expect(sectors.size).toBe(6);
});
