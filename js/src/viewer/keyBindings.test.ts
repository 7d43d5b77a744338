import { expect, test } from "vitest";
import { actionFor, KEY_BINDINGS, type Keystroke } from "./keyBindings.ts";

function press(key: string, change: Partial<Keystroke> = {}) {
  return actionFor({
    key,
    shiftKey: false,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    ...change,
  });
}

test("WEBKNOSSOS's keys", () => {
  expect(press("f")).toEqual({ kind: "slice", count: 1 });
  expect(press("D", { shiftKey: true })).toEqual({ kind: "slice", count: -5 });
  expect(press("F", { shiftKey: true })).toEqual({ kind: "slice", count: 5 });
  expect(press(" ")).toEqual({ kind: "slice", count: 1 });
  expect(press(" ", { ctrlKey: true })).toEqual({ kind: "slice", count: -1 });
  expect(press("i")).toEqual({ kind: "zoom", out: -1 });
  expect(press("ArrowUp")).toEqual({ kind: "pan", right: 0, down: -1 });
  expect(press(".")).toEqual({ kind: "maximise" });
  expect(press("3")).toEqual({ kind: "toggleSegmentation" });
});

test("the browser's and the page's own shortcuts are left alone", () => {
  expect(press("f", { ctrlKey: true })).toBeNull();
  expect(press("d", { metaKey: true })).toBeNull();
  expect(press("ArrowLeft", { altKey: true })).toBeNull();
  expect(press("Tab")).toBeNull();
  expect(press("x")).toBeNull();
});

test("no two bindings are for the same keystroke", () => {
  const strokes = KEY_BINDINGS.map(
    ({ key, shift, control }) => `${key}/${shift ?? false}/${control ?? false}`,
  );
  expect(new Set(strokes).size).toBe(strokes.length);
});
