import { expect, test } from "vitest";
import type { Vec3 } from "../core/vec3.ts";
import { brickData, layerSpec } from "./testing.ts";
import type { DType } from "./types.ts";
import { brickBytes, textureKind, toTexels, valueAt, valueRange, zeroOf } from "./voxels.ts";

const AT: Vec3 = [3, 5, 7];
const INDEX = 3 + 32 * (5 + 32 * 7);

test.each<[DType, number | bigint, number[]]>([
  ["uint8", 200, [200]],
  ["uint16", 40_000, [40_000]],
  ["uint32", 4_000_000_000, [4_000_000_000]],
  ["uint64", 2n ** 60n + 7n, [7, 2 ** 28]],
  ["int8", -5, [-5]],
  ["int16", -500, [-500]],
  ["int32", -5_000_000, [-5_000_000]],
  ["int64", -2n, [0xfffffffe, 0xffffffff]],
  ["float32", 0.5, [0.5]],
  ["float64", 0.25, [0.25]],
])("%s: the value and its texel", (dtype, value, words) => {
  const layer = layerSpec(dtype);
  const zero = typeof value === "bigint" ? 0n : 0;
  const data = brickData(layer, [1, 1, 1], [0, 0, 0], (v) => [
    v.every((n, a) => n === AT[a]) ? value : zero,
  ]);
  expect(data.byteLength).toBe(brickBytes(layer));
  expect(valueAt(layer, data, AT)).toBe(value);
  expect(valueAt(layer, data, [4, 5, 7])).toBe(zero);
  const texels = toTexels(layer, data);
  expect(texels.byteLength).toBe(textureKind(layer).bytes * 32 ** 3);
  expect([...texels.slice(INDEX * words.length, (INDEX + 1) * words.length)]).toEqual(words);
  expect(zeroOf(layer)).toBe(zero);
});

test("three channels of a colour layer are padded, of other layers the first is taken", () => {
  const rgb = layerSpec("uint8", { numChannels: 3 });
  const data = brickData(rgb, [1, 1, 1], [0, 0, 0], (v) => [v[0], v[1], v[2]]);
  expect([...toTexels(rgb, data).slice(INDEX * 4, INDEX * 4 + 4)]).toEqual([3, 5, 7, 0]);
  expect(valueAt(rgb, data, AT)).toEqual([3, 5, 7]);
  const ids = layerSpec("uint64", { category: "segmentation", numChannels: 2 });
  const pairs = brickData(ids, [1, 1, 1], [0, 0, 0], (v) => [2n ** 40n + BigInt(v[0]), 9n]);
  expect([...toTexels(ids, pairs).slice(INDEX * 2, INDEX * 2 + 2)]).toEqual([3, 256]);
});

test("the range of a brick leaves out what is no number", () => {
  const layer = layerSpec("float32");
  const data = brickData(layer, [1, 1, 1], [0, 0, 0], (v) => {
    if (v[0] === 1) return [Number.NaN];
    if (v[0] === 2) return [Number.NEGATIVE_INFINITY];
    return [v[2] / 10];
  });
  const [low, high] = valueRange(layer, data);
  expect(low).toBe(0);
  expect(high).toBeCloseTo(3.1);
});
