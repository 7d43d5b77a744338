import { expect, test } from "vitest";
import { decodeLz4 } from "./lz4.ts";
import { LZ4_BLOCKS } from "./samples.ts";

/** Literals, then a match, then five literals. `distance` has 16 bits, the match's length is 4 to 18. */
function lz4(literals: number[], distance: number, length: number): Uint8Array {
  const token = (literals.length << 4) | (length - 4);
  const last = [0x50, 1, 2, 3, 4, 5]; // a block ends with five literals
  return Uint8Array.from([token, ...literals, distance & 255, distance >> 8, ...last]);
}

test.each(LZ4_BLOCKS)("what lz4 packed comes out again: %s", (_what, block, data) => {
  expect(decodeLz4(block, data.length)).toEqual(Uint8Array.from(data));
});

test.each(LZ4_BLOCKS)("a block that is cut anywhere is refused: %s", (_what, block, { length }) => {
  for (let end = 0; end < block.length; end += 1) {
    expect(() => decodeLz4(block.subarray(0, end), length)).toThrow("damaged");
  }
});

test.each(LZ4_BLOCKS)("another size is refused: %s", (_what, block, { length }) => {
  for (const size of [0, 1, length - 1, length + 1, 2 * length]) {
    expect(() => decodeLz4(block, size)).toThrow("damaged");
  }
});

test.each(LZ4_BLOCKS)(
  "a changed byte does no worse than change voxels: %s",
  (_what, block, data) => {
    let refused = 0;
    for (let at = 0; at < block.length; at += 1) {
      for (const mask of [1, 128, 255]) {
        const damaged = block.slice();
        damaged[at] = (damaged[at] as number) ^ mask;
        try {
          expect(decodeLz4(damaged, data.length).length).toBe(data.length);
        } catch (error) {
          expect((error as Error).message).toBe("damaged LZ4 block");
          refused += 1;
        }
      }
    }
    expect(refused).toBeGreaterThan(0);
  },
);

test("matches copy what came before, also over themselves", () => {
  expect([...decodeLz4(lz4([7, 8, 9, 6], 4, 4), 13)]).toEqual([
    7, 8, 9, 6, 7, 8, 9, 6, 1, 2, 3, 4, 5,
  ]);
  expect([...decodeLz4(lz4([7, 8], 2, 7), 14)]).toEqual([7, 8, 7, 8, 7, 8, 7, 8, 7, 1, 2, 3, 4, 5]);
  const long = Uint8Array.from([0x1f, 7, 1, 0, 255, 1, 0x50, 1, 2, 3, 4, 5]);
  expect([...decodeLz4(long, 281)]).toEqual([...Array(276).fill(7), 1, 2, 3, 4, 5]);
});

test.each([
  ["a match from before the beginning", lz4([7, 8], 3, 4), 11],
  ["a match of distance 0", lz4([7, 8], 0, 4), 11],
  ["a match beyond the end", lz4([7, 8], 2, 18), 11],
  ["literals beyond the end", Uint8Array.from([0xf0, 255, 255, 255, 1]), 11],
  ["half a distance", Uint8Array.from([0x20, 7, 8, 1]), 6],
  ["a match at the very end", Uint8Array.from([0x20, 7, 8, 1, 0]), 6],
  ["nothing", new Uint8Array(), 11],
])("damaged: %s", (_what, block, size) => {
  expect(() => decodeLz4(block, size)).toThrow("damaged");
});
