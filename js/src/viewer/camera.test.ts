import { expect, test } from "vitest";
import type { Box } from "../core/box.ts";
import {
  boxOnPanel,
  clampZoom,
  deviceRect,
  fitZoom,
  keptInside,
  panned,
  pixelToVoxel,
  sliced,
  zoomedAt,
} from "./camera.ts";
import { layoutPanels, type Panel, planeOf, pointToVoxel, voxelsPerPixel } from "./planes.ts";

const VOXEL_SIZE = [10, 10, 25] as const;

test("pixels are square in the world: an axis of thick voxels shows fewer of them", () => {
  expect(voxelsPerPixel(VOXEL_SIZE, 2)).toEqual([2, 2, 0.8]);
});

test("the planes lie as in WEBKNOSSOS, shared axes in line", () => {
  const { panels, rest } = layoutPanels(404, 304, null);
  const [xy, yz, xz] = panels as [Panel, Panel, Panel];
  expect(panels.map(({ plane }) => plane.id)).toEqual(["xy", "yz", "xz"]);
  expect(xy.rect).toEqual({ left: 0, top: 0, width: 200, height: 150 });
  expect(yz.rect).toEqual({ left: 204, top: 0, width: 200, height: 150 });
  expect(xz.rect).toEqual({ left: 0, top: 154, width: 200, height: 150 });
  expect(rest).toEqual({ left: 204, top: 154, width: 200, height: 150 });
  expect([xy.plane.v, xy.plane.u]).toEqual([yz.plane.v, xz.plane.u]);
  expect(layoutPanels(404, 304, "xz").panels).toEqual([
    { plane: planeOf("xz"), rect: { left: 0, top: 0, width: 404, height: 304 } },
  ]);
});

test("the middle of a panel is the position, and a drag takes the voxel along", () => {
  const { panels } = layoutPanels(404, 304, null);
  const yz = panels[1] as Panel;
  const camera = { position: [100, 200, 300], zoom: 2 } as const;
  const perPixel = voxelsPerPixel(VOXEL_SIZE, camera.zoom);
  expect(pointToVoxel(yz, 304, 75, camera.position, perPixel)).toEqual([100, 200, 300]);
  const before = pointToVoxel(yz, 250, 20, camera.position, perPixel);
  const moved = panned(camera, yz.plane, VOXEL_SIZE, 30, -7);
  const after = pointToVoxel(yz, 280, 13, moved.position, perPixel);
  for (const axis of [0, 1, 2] as const) expect(after[axis]).toBeCloseTo(before[axis], 9);
});

test("zooming keeps the anchor where it is on the screen", () => {
  const { panels } = layoutPanels(400, 300, "xz");
  const panel = panels[0] as Panel;
  const camera = { position: [50, 60, 70], zoom: 1 } as const;
  const anchor = pointToVoxel(panel, 33, 210, camera.position, voxelsPerPixel(VOXEL_SIZE, 1));
  const zoomed = zoomedAt(camera, 3, anchor);
  const again = pointToVoxel(panel, 33, 210, zoomed.position, voxelsPerPixel(VOXEL_SIZE, 3));
  for (const axis of [0, 1, 2] as const) expect(again[axis]).toBeCloseTo(anchor[axis], 9);
});

test("a slice step shows the next slice of the mag, whatever the position within one", () => {
  const at = (z: number) => ({ position: [1.5, 2.5, z] as const, zoom: 1 });
  const xy = planeOf("xy");
  expect(sliced(at(10), xy, 1, 1).position).toEqual([1.5, 2.5, 11]);
  expect(sliced(at(10.9), xy, 1, -1).position).toEqual([1.5, 2.5, 9]);
  expect(sliced(at(13), xy, 4, 1).position[2]).toBe(16);
  expect(sliced(at(13), xy, 4, 5).position[2]).toBe(32);
});

test("the fit shows the whole box, zoom is bounded, the position stays in the box", () => {
  const box: Box = { min: [100, 0, 0], max: [1100, 400, 10] };
  expect(fitZoom(box, VOXEL_SIZE, planeOf("xy"), 500, 400)).toBeCloseTo(2);
  expect(fitZoom(box, VOXEL_SIZE, planeOf("yz"), 500, 100)).toBeCloseTo(4);
  expect(clampZoom(1e9, 2)).toBe(16);
  expect(clampZoom(0, 2)).toBeGreaterThan(0);
  expect(keptInside([0, 1000, 5.5], box)).toEqual([100, 399, 5.5]);
  expect(keptInside([0, 0, 20], box)).toEqual([100, 0, 9]);
});

test("panels are whole device pixels, and the shader's numbers agree with the pointer's", () => {
  const { panels } = layoutPanels(301, 203, null);
  const ratio = 1.5;
  const height = Math.round(203 * ratio);
  const position = [1_000_000.25, 7.75, 3] as const;
  const perPixel = voxelsPerPixel(VOXEL_SIZE, 0.7);
  const perDevice = [perPixel[0] / ratio, perPixel[1] / ratio, perPixel[2] / ratio] as const;
  for (const panel of panels) {
    const rect = deviceRect(panel, ratio, height);
    expect(Object.values(rect).every(Number.isInteger)).toBe(true);
    const at = pixelToVoxel(panel.plane, rect, position, perDevice);
    const fragment = [rect.x + rect.width / 2 + 9, rect.y + rect.height / 2 + 4] as const;
    const voxel = [0, 1, 2].map((axis) => {
      const a = axis as 0 | 1 | 2;
      return at.base[a] + at.offset[a] + at.right[a] * fragment[0] + at.up[a] * fragment[1];
    });
    const { u, v, w } = panel.plane;
    expect(voxel[u]).toBeCloseTo(position[u] + 9 * perDevice[u], 6);
    expect(voxel[v]).toBeCloseTo(position[v] - 4 * perDevice[v], 6);
    expect(voxel[w]).toBe(position[w]);
    // Exactly in the slice for every pixel: nothing is added along w.
    expect([at.right[w], at.up[w]]).toEqual([0, 0]);
  }
});

test("a layer's box on a panel, and none where the slice is outside", () => {
  const { panels } = layoutPanels(100, 100, "xy");
  const panel = panels[0] as Panel;
  const rect = deviceRect(panel, 1, 100);
  const box: Box = { min: [40, 40, 0], max: [60, 50, 10] };
  expect(boxOnPanel(box, panel.plane, rect, [50, 50, 9], [1, 1, 1])).toEqual({
    x: 40,
    y: 50,
    width: 20,
    height: 10,
  });
  expect(boxOnPanel(box, panel.plane, rect, [50, 50, 10], [1, 1, 1])).toBeNull();
  expect(boxOnPanel(box, panel.plane, rect, [500, 50, 5], [1, 1, 1])).toBeNull();
});
