import { expect, test } from "vitest";
import { type Box, boxFromJson, contains, intersection } from "./box.ts";
import { Disposer } from "./disposable.ts";
import { Emitter } from "./emitter.ts";
import { map3, withAxis } from "./vec3.ts";

test("boxes are half-open", () => {
  const box = boxFromJson({ topLeft: [-2, 0, 5], width: 4, height: 1, depth: 2 });
  expect(box).toEqual({ min: [-2, 0, 5], max: [2, 1, 7] });
  expect([
    contains(box, [-2, 0, 5]),
    contains(box, [2, 0, 5]),
    contains(box, [1.9, 0.5, 6]),
  ]).toEqual([true, false, true]);
  const other: Box = { min: [1, -5, 6], max: [10, 5, 100] };
  expect(intersection(box, other)).toEqual({ min: [1, 0, 6], max: [2, 1, 7] });
  expect(intersection(box, { min: [2, 0, 5], max: [3, 1, 7] })).toBeNull();
});

test("vectors by axis", () => {
  expect(map3((axis) => axis * 2)).toEqual([0, 2, 4]);
  expect(withAxis([1, 2, 3], 1, 9)).toEqual([1, 9, 3]);
});

test("what was registered is undone once, last first, and at once when it comes too late", () => {
  const undone: number[] = [];
  const disposer = new Disposer();
  for (const n of [1, 2, 3]) disposer.add(() => undone.push(n));
  disposer.dispose();
  disposer.dispose();
  expect(undone).toEqual([3, 2, 1]);
  disposer.add(() => undone.push(4));
  expect(undone).toEqual([3, 2, 1, 4]);
  expect(disposer.isDisposed).toBe(true);
});

test("listeners hear their event until they stop", () => {
  const emitter = new Emitter<{ number: number; word: string }>();
  const heard: (number | string)[] = [];
  const stop = emitter.on("number", (n) => heard.push(n));
  emitter.on("word", (word) => heard.push(word));
  emitter.emit("number", 1);
  stop();
  emitter.emit("number", 2);
  emitter.emit("word", "a");
  emitter.clear();
  emitter.emit("word", "b");
  expect(heard).toEqual([1, "a"]);
});
