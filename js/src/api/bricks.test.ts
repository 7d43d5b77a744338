import { expect, test } from "vitest";
import { brickQuery, unpackFrame } from "./bricks.ts";
import type { PackedBrick } from "./decoderPool.ts";
import { Encoding, type FrameEntry } from "./frame.ts";
import { encodeFrame } from "./testing.ts";

const SIZE = 4;

function packed(encoding: number, ...payload: number[]): FrameEntry {
  return { status: "ok", encoding, payload: Uint8Array.from(payload) };
}

/** A pool that answers with what is given, and keeps what it was asked. */
class FakePool {
  readonly asked: { bricks: PackedBrick[]; size: number }[] = [];
  constructor(private readonly answer: (ArrayBuffer | string)[] = []) {}
  async decode(bricks: PackedBrick[], size: number) {
    this.asked.push({ bricks, size });
    return this.answer;
  }
}

const bytes = (...values: number[]) => Uint8Array.from(values).buffer;

test("a query names each mag once, and the bricks in their order", () => {
  const query = brickQuery(
    [
      { mag: [4, 4, 2], brick: [3, 2, 1] },
      { mag: [1, 1, 1], brick: [0, 0, 0] },
      { mag: [4, 4, 2], brick: [9, 8, 7] },
      { mag: [4, 4, 1], brick: [1, 1, 1] },
      { mag: [1, 1, 1], brick: [5, 0, 0] },
    ],
    { t: 3, c: 0 },
  );
  expect(query).toEqual({
    mags: [
      [4, 4, 2],
      [1, 1, 1],
      [4, 4, 1],
    ],
    bricks: [
      [0, 3, 2, 1],
      [1, 0, 0, 0],
      [0, 9, 8, 7],
      [2, 1, 1, 1],
      [1, 5, 0, 0],
    ],
    additionalCoordinates: [
      { name: "t", value: 3 },
      { name: "c", value: 0 },
    ],
  });
  expect(brickQuery([], {})).toEqual({ mags: [], bricks: [], additionalCoordinates: [] });
});

test("what the pool unpacked goes to its own place among the others", async () => {
  const frame = encodeFrame([
    { status: "missing" },
    packed(Encoding.LZ4, 1),
    packed(Encoding.RAW, 5, 6, 7, 8),
    { status: "failed", error: "x2.wkw is damaged." },
    packed(Encoding.ZSTD, 2, 3),
    packed(Encoding.GZIP, 4),
  ]);
  const pool = new FakePool([bytes(1, 1, 1, 1), "A stored brick is damaged.", bytes(2, 2, 2, 2)]);
  const results = await unpackFrame(frame, { count: 6, size: SIZE }, pool);
  expect(results).toEqual([
    { status: "missing" },
    { status: "ok", data: bytes(1, 1, 1, 1) },
    { status: "ok", data: bytes(5, 6, 7, 8) },
    { status: "failed", error: "x2.wkw is damaged." },
    { status: "failed", error: "A stored brick is damaged." },
    { status: "ok", data: bytes(2, 2, 2, 2) },
  ]);
  expect(pool.asked).toHaveLength(1);
  expect(pool.asked[0]?.size).toBe(SIZE);
  const asked = pool.asked[0]?.bricks.map(({ encoding, payload }) => [encoding, ...payload]);
  expect(asked).toEqual([
    [Encoding.LZ4, 1],
    [Encoding.ZSTD, 2, 3],
    [Encoding.GZIP, 4],
  ]);
});

test("raw voxels have a buffer of their own, which may be given away", async () => {
  const frame = encodeFrame([packed(Encoding.RAW, 1, 2, 3, 4), packed(Encoding.RAW, 5, 6, 7, 8)]);
  const results = await unpackFrame(frame, { count: 2, size: SIZE }, new FakePool());
  for (const result of results) {
    expect(result.status === "ok" && result.data.byteLength).toBe(SIZE);
  }
});

test("raw voxels of another size fail by themselves", async () => {
  const frame = encodeFrame([packed(Encoding.RAW, 1, 2, 3), packed(Encoding.RAW, 1, 2, 3, 4)]);
  const results = await unpackFrame(frame, { count: 2, size: SIZE }, new FakePool());
  expect(results).toEqual([
    { status: "failed", error: "A brick of 4 bytes was expected, 3 came." },
    { status: "ok", data: bytes(1, 2, 3, 4) },
  ]);
});

test("a brick that the pool forgot has failed; a pool that fails, or no frame, is told", async () => {
  const frame = () => encodeFrame([packed(Encoding.LZ4, 1)]);
  expect(await unpackFrame(frame(), { count: 1, size: SIZE }, new FakePool([]))).toEqual([
    { status: "failed", error: "A brick was not unpacked." },
  ]);
  const broken = { decode: () => Promise.reject(new Error("no workers")) };
  await expect(unpackFrame(frame(), { count: 1, size: SIZE }, broken)).rejects.toThrow(
    "no workers",
  );
  const none = unpackFrame(new ArrayBuffer(3), { count: 1, size: SIZE }, new FakePool());
  await expect(none).rejects.toThrow("not a frame");
});
