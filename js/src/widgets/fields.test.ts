import { expect, test } from "vitest";
import { fromHex, parseVec3, toHex } from "./fields.ts";
import { boundsFor } from "./rangeSlider.ts";

test.each([
  ["1, 2, 3", [1, 2, 3]],
  ["1 2 3", [1, 2, 3]],
  ["(-1.5; 2; 3.25)", [-1.5, 2, 3.25]],
  ["1, 2", null],
  ["1, 2, 3, 4", null],
  ["here", null],
  ["", null],
])("the position %j", (text, expected) => {
  expect(parseVec3(text)).toEqual(expected);
});

test("colours go to the picker and back", () => {
  expect(toHex([255, 8, 0])).toBe("#ff0800");
  expect(fromHex("#ff0800")).toEqual([255, 8, 0]);
});

test("the intensities that a slider spans", () => {
  expect(boundsFor("uint8", [10, 20])).toEqual([0, 255]);
  expect(boundsFor("uint16", [10, 20])).toEqual([0, 65535]);
  expect(boundsFor("int16", [10, 20])).toEqual([-32768, 32767]);
  expect(boundsFor("float32", [0, 1])).toEqual([-0.5, 1.5]);
  expect(boundsFor("float32", [3, 3])).toEqual([2, 4]);
  expect(boundsFor("uint32", [0, 1000])).toEqual([0, 1500]);
  expect(boundsFor("uint32", [1000, 2001])).toEqual([499, 2502]);
  expect(boundsFor("int32", [-1, 2])).toEqual([-3, 4]);
});
