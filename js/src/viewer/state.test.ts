import { expect, test } from "vitest";
import { defaultState, patched } from "./state.ts";
import { layerSpec, sceneOf } from "./testing.ts";
import type { StatePatch } from "./types.ts";

const SCENE = sceneOf([
  layerSpec("uint8", {
    name: "color",
    boundingBox: { topLeft: [10, 20, 30], width: 101, height: 50, depth: 7 },
    additionalAxes: [{ name: "t", bounds: [3, 9] }],
  }),
  layerSpec("uint64", { name: "segmentation", category: "segmentation" }),
]);

test("the defaults are the middle of the scene and WEBKNOSSOS's opacities", () => {
  const state = defaultState(SCENE);
  expect(state.position).toEqual([60, 45, 33]);
  expect(state.layers.color?.opacity).toBe(100);
  expect(state.layers.segmentation?.opacity).toBe(20);
  expect(state.additionalCoordinates).toEqual({ t: 3 });
});

test("a patch changes what it names, layers setting by setting, and nothing else", () => {
  const state = defaultState(SCENE);
  const next = patched(state, {
    zoom: 2,
    layers: { color: { intensityRange: [5, 7] }, nobody: { visible: false } },
    additionalCoordinates: { t: 4 },
  });
  expect(next.zoom).toBe(2);
  expect(next.layers.color).toEqual({ ...state.layers.color, intensityRange: [5, 7] });
  expect(next.layers.segmentation).toEqual(state.layers.segmentation);
  expect(Object.keys(next.layers)).toEqual(["color", "segmentation"]);
  expect(next.additionalCoordinates).toEqual({ t: 4 });
  const reset = patched(next, { layers: { color: { intensityRange: null } } });
  expect(reset.layers.color?.intensityRange).toBeNull();
});

test("what is no usable value leaves the state as it was", () => {
  const state = defaultState(SCENE);
  const bad = {
    position: [1, Number.NaN, 3],
    zoom: -1,
    blendMode: null,
    layers: { color: { opacity: "high", gamma: 0, color: [1, 2], intensityRange: [1] } },
  } as unknown as StatePatch;
  expect(patched(state, bad)).toEqual(state);
  expect(patched(state, { layers: { color: { opacity: 300 } } }).layers.color?.opacity).toBe(100);
});
