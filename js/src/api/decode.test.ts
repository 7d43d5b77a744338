import { expect, test } from "vitest";
import { decodeBrick } from "./decode.ts";
import { Encoding } from "./frame.ts";
import {
  LZ4_BLOCKS,
  MIXED,
  MIXED_GZIP,
  MIXED_ZSTD,
  MIXED_ZSTD_CHECKED,
  MIXED_ZSTD_UNSIZED,
} from "./samples.ts";

const MIXED_LZ4 = LZ4_BLOCKS.find(([, , data]) => data === MIXED)?.[1] as Uint8Array<ArrayBuffer>;

const PACKED: [name: string, encoding: number, payload: Uint8Array<ArrayBuffer>][] = [
  ["raw", Encoding.RAW, MIXED],
  ["LZ4", Encoding.LZ4, MIXED_LZ4],
  ["zstd", Encoding.ZSTD, MIXED_ZSTD],
  ["zstd that does not tell its size", Encoding.ZSTD, MIXED_ZSTD_UNSIZED],
  ["zstd with a checksum", Encoding.ZSTD, MIXED_ZSTD_CHECKED],
  ["gzip", Encoding.GZIP, MIXED_GZIP],
];

/** As it lies in a frame: somewhere in a larger buffer. */
function inFrame(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(payload.length + 10).fill(77);
  frame.set(payload, 3);
  return frame.subarray(3, 3 + payload.length);
}

test.each(PACKED)("%s is decoded, into a buffer of its own", async (_name, encoding, payload) => {
  const frame = inFrame(payload);
  const decoded = await decodeBrick(frame, encoding, MIXED.length);
  expect(new Uint8Array(decoded)).toEqual(MIXED);
  expect(decoded).not.toBe(frame.buffer);
});

test.each(PACKED)("%s of another size is refused", async (_name, encoding, payload) => {
  for (const size of [1, MIXED.length - 1, MIXED.length + 1]) {
    await expect(decodeBrick(payload, encoding, size)).rejects.toThrow();
  }
});

test.each(PACKED)("%s that is cut is refused", async (_name, encoding, payload) => {
  for (const end of [0, 1, 5, 20, payload.length >> 1, payload.length - 1]) {
    await expect(decodeBrick(payload.slice(0, end), encoding, MIXED.length)).rejects.toThrow();
  }
});

test.each(PACKED)(
  "after %s that is damaged a good one is decoded",
  async (_name, encoding, payload) => {
    await expect(decodeBrick(MIXED.slice(0, 50), encoding, MIXED.length)).rejects.toThrow();
    const decoded = await decodeBrick(payload, encoding, MIXED.length);
    expect(new Uint8Array(decoded)).toEqual(MIXED);
  },
);

test.each([
  ["zstd", Encoding.ZSTD, MIXED_ZSTD_CHECKED],
  ["gzip", Encoding.GZIP, MIXED_GZIP],
])("%s whose checksum is wrong is refused", async (_name, encoding, payload) => {
  const damaged = payload.slice();
  const at = damaged.length - (encoding === Encoding.GZIP ? 8 : 1);
  damaged[at] = (damaged[at] as number) ^ 1;
  await expect(decodeBrick(damaged, encoding, MIXED.length)).rejects.toThrow();
});

test("bytes behind the end of a stream are refused", async () => {
  for (const [, encoding, payload] of PACKED) {
    const longer = Uint8Array.from([...payload, 1, 2, 3]);
    await expect(decodeBrick(longer, encoding, MIXED.length)).rejects.toThrow();
  }
});

test("an encoding that nobody knows is refused", async () => {
  await expect(decodeBrick(MIXED, 9, MIXED.length)).rejects.toThrow("encoding 9");
});
