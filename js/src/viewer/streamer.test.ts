import { expect, test } from "vitest";
import type { Vec3 } from "../core/vec3.ts";
import type { View } from "./neededBricks.ts";
import { layoutPanels, voxelsPerPixel } from "./planes.ts";
import { defaultState, patched } from "./state.ts";
import { Streamer } from "./streamer.ts";
import { layerSpec, SyntheticSource, sceneOf } from "./testing.ts";
import type { BrickRequest, BrickResult, LayerSpec, StatePatch } from "./types.ts";

const SPEC: Partial<LayerSpec> = {
  boundingBox: { topLeft: [0, 0, 0], width: 512, height: 512, depth: 1 },
  mags: [
    [1, 1, 1],
    [2, 2, 1],
    [4, 4, 1],
    [8, 8, 1],
  ],
};

type Special = (request: BrickRequest, layer: string) => BrickResult | "never" | null;

function setup(layers: LayerSpec[], special?: Special) {
  const source = new SyntheticSource(layers, ([x]) => [x], special);
  const troubles: string[] = [];
  const streamer = new Streamer(layers, source, {
    changed: () => {},
    trouble: (message) => troubles.push(message),
  });
  const scene = sceneOf(layers);
  const update = async (patch: StatePatch = {}, limit = 1000) => {
    const state = patched(defaultState(scene), { zoom: 1, ...patch });
    const { panels } = layoutPanels(100, 100, "xy");
    const perPixel = voxelsPerPixel(scene.voxelSize.factor, state.zoom);
    const view: View = { position: state.position, perPixel, ratio: 1, panels };
    const isOther = streamer.update(view, state, () => limit);
    for (let i = 0; i < 40; i += 1) await Promise.resolve();
    return isOther;
  };
  const asked = () => source.requested.flatMap(({ requests }) => requests);
  return { source, streamer, update, troubles, asked };
}

const middle: Vec3 = [256, 256, 0];

test("everything that is in view comes, once", async () => {
  const { streamer, update, asked } = setup([layerSpec("uint8", SPEC)]);
  await update({ position: middle });
  expect(streamer.isComplete).toBe(true);
  expect(asked().filter(({ mag }) => mag[0] === 1).length).toBe(16);
  expect(asked().filter(({ mag }) => mag[0] === 8).length).toBe(4);
  const before = asked().length;
  await update({ position: middle });
  expect(asked().length).toBe(before);
  expect(streamer.layers[0]?.valueAt([256, 200, 0])).toEqual({ value: 256 % 256, mag: [1, 1, 1] });
  expect(streamer.layers[0]?.valueAt([100, 250, 0])).toEqual({ value: 12, mag: [8, 8, 1] });
  expect(streamer.layers[0]?.valueAt([-1, 250, 0])).toBeNull();
});

test("a layer that is not shown asks for nothing", async () => {
  const { update, asked, streamer } = setup([layerSpec("uint8", SPEC)]);
  await update({ position: middle, layers: { layer: { visible: false } } });
  await update({ position: middle, layers: { layer: { opacity: 0 } } });
  expect(asked()).toEqual([]);
  expect(streamer.isComplete).toBe(true);
});

test("never more bricks are needed than the GPU holds", async () => {
  const { update, streamer } = setup([layerSpec("uint8", SPEC)]);
  await update({ position: middle }, 5);
  expect(streamer.layers[0]?.level).toBe(3);
  expect(streamer.layers[0]?.needed.length).toBeLessThanOrEqual(5);
});

test("behind bricks that were never written coarser ones are looked for, unless they are black", async () => {
  const special: Special = ({ mag }) => (mag[0] < 4 ? { status: "missing" } : null);
  const layers = [layerSpec("uint8", SPEC)];
  const black = setup(layers, special);
  await black.update({ position: middle, renderMissingDataBlack: true });
  await black.update({ position: middle, renderMissingDataBlack: true });
  expect(new Set(black.asked().map(({ mag }) => mag[0]))).toEqual(new Set([1, 8]));
  const clear = setup(layers, special);
  for (let i = 0; i < 4; i += 1) await clear.update({ position: middle });
  expect(new Set(clear.asked().map(({ mag }) => mag[0]))).toEqual(new Set([1, 2, 4, 8]));
  expect(clear.streamer.isComplete).toBe(true);
});

test("bricks of a wrong size and failed ones count as failed, in words", async () => {
  const { update, streamer, troubles } = setup([layerSpec("uint8", SPEC)], ({ mag, brick }) => {
    if (mag[0] > 1 || brick[0] > 7) return null;
    return { status: "ok", data: new ArrayBuffer(7) };
  });
  await update({ position: middle });
  expect(streamer.isComplete).toBe(true);
  expect(troubles.at(-1)).toBe("layer: A brick of 32768 bytes was expected, 7 came.");
  expect(streamer.layers[0]?.brick("0/7,7,0")?.status).toBe("failed");
  await update({ position: [450, 450, 0] });
  expect(troubles.at(-1)).toBe(""); // it left the view
});

test("other coordinates are other bricks, and going back needs none again", async () => {
  const layer = layerSpec("uint8", { ...SPEC, additionalAxes: [{ name: "t", bounds: [0, 3] }] });
  const { update, asked } = setup([layer]);
  expect(await update({ position: middle })).toBe(false);
  const count = asked().length;
  expect(await update({ position: middle, additionalCoordinates: { t: 2 } })).toBe(true);
  expect(asked().length).toBe(2 * count);
  expect(await update({ position: middle })).toBe(true);
  expect(asked().length).toBe(2 * count);
});

test("moving on prefetches what comes next", async () => {
  const layer = layerSpec("uint8", SPEC);
  const { update, asked, streamer } = setup([layer]);
  await update({ position: middle });
  await update({ position: [258, 256, 0] });
  const ahead = asked().filter(({ mag, brick }) => mag[0] === 1 && brick[0] === 10);
  expect(ahead.length).toBeGreaterThan(0);
  expect(
    streamer.layers[0]?.needed.some(({ level, brick }) => level === 0 && brick[0] === 10),
  ).toBe(false);
});
