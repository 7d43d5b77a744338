import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { decodeBrick } from "./decode.ts";
import { Encoding } from "./frame.ts";
import { decodeLz4 } from "./lz4.ts";

const SIZE = 4096;
const VOXELS = Uint8Array.from({ length: SIZE }, (_, i) => (i < 3000 ? i % 7 : (i * i) >> 3));

/** A zstd frame that holds the bytes uncompressed (RFC 8878: single segment, one raw block). */
function zstdStored(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new DataView(new ArrayBuffer(12));
  head.setUint32(0, 0xfd2fb528, true);
  head.setUint8(4, 0xa0);
  head.setUint32(5, data.length, true);
  head.setUint8(9, ((data.length << 3) | 1) & 255);
  head.setUint16(10, data.length >> 5, true);
  return Uint8Array.from([...new Uint8Array(head.buffer), ...data]);
}

/** An LZ4 block: literals, then a match. `distance` and the match's length are 16 bits and 4 to 18. */
function lz4(literals: number[], distance: number, length: number): Uint8Array<ArrayBuffer> {
  const token = (literals.length << 4) | (length - 4);
  const last = [0x50, 1, 2, 3, 4, 5]; // a block ends with five literals
  return Uint8Array.from([token, ...literals, distance & 255, distance >> 8, ...last]);
}

/** A block of literals alone, longer than a token's four bits can say. */
function lz4Literals(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const rest = data.length - 15;
  const lengths = [...Array.from({ length: Math.floor(rest / 255) }, () => 255), rest % 255];
  return Uint8Array.from([0xf0, ...lengths, ...data]);
}

test.each([
  ["raw", Encoding.RAW, VOXELS],
  ["LZ4", Encoding.LZ4, lz4Literals(VOXELS)],
  ["zstd", Encoding.ZSTD, zstdStored(VOXELS)],
  ["gzip", Encoding.GZIP, Uint8Array.from(gzipSync(VOXELS))],
])("%s is decoded", async (_name, encoding, payload) => {
  const decoded = await decodeBrick(payload, encoding, SIZE);
  expect(new Uint8Array(decoded)).toEqual(VOXELS);
});

test.each([
  ["raw", Encoding.RAW, VOXELS],
  ["LZ4", Encoding.LZ4, lz4Literals(VOXELS)],
  ["zstd", Encoding.ZSTD, zstdStored(VOXELS)],
  ["gzip", Encoding.GZIP, Uint8Array.from(gzipSync(VOXELS))],
])(
  "%s that is cut, of another size or of another kind is refused",
  async (_name, encoding, payload) => {
    const other = encoding === Encoding.RAW ? 9 : encoding;
    await expect(decodeBrick(payload.slice(0, -9), encoding, SIZE)).rejects.toThrow();
    await expect(decodeBrick(payload, encoding, SIZE - 1)).rejects.toThrow();
    await expect(decodeBrick(payload, encoding, SIZE + 1)).rejects.toThrow();
    await expect(decodeBrick(VOXELS.slice(0, 50), other, SIZE)).rejects.toThrow();
  },
);

test("LZ4's matches copy what came before, also over themselves", () => {
  expect([...decodeLz4(lz4([7, 8, 9, 6], 4, 4), 13)]).toEqual([
    7, 8, 9, 6, 7, 8, 9, 6, 1, 2, 3, 4, 5,
  ]);
  expect([...decodeLz4(lz4([7, 8], 2, 7), 14)]).toEqual([7, 8, 7, 8, 7, 8, 7, 8, 7, 1, 2, 3, 4, 5]);
  const long = Uint8Array.from([0x1f, 7, 1, 0, 255, 1, 0x50, 1, 2, 3, 4, 5]);
  expect([...decodeLz4(long, 281)]).toEqual([...Array(276).fill(7), 1, 2, 3, 4, 5]);
});

test.each([
  ["a match from before the beginning", lz4([7, 8], 3, 4)],
  ["a match of distance 0", lz4([7, 8], 0, 4)],
  ["a match beyond the end", lz4([7, 8], 2, 18)],
  ["literals beyond the end", Uint8Array.from([0xf0, 255, 255, 255, 1])],
  ["a cut match", Uint8Array.from([0x20, 7, 8, 1])],
  ["nothing", new Uint8Array()],
])("damaged LZ4: %s", (_what, block) => {
  expect(() => decodeLz4(block, 11)).toThrow("damaged");
});
