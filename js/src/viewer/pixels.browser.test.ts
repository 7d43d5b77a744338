import { expect, test } from "vitest";
import type { Vec3 } from "../core/vec3.ts";
import { mount, type Pixel, until } from "./browserTesting.ts";
import { segmentColor } from "./segmentColor.ts";
import { layerSpec, SyntheticSource, sceneOf } from "./testing.ts";
import type { DType, LayerSpec, StatePatch } from "./types.ts";

const FLAT = { topLeft: [0, 0, 0] as const, width: 64, height: 64, depth: 1 };
const CENTER: Vec3 = [32, 32, 0];

/** The voxel under a pixel of a panel of 200 by 150 whose middle is `CENTER`, at zoom 1. */
const voxelAt = (x: number, y: number) => [x - 100 + 32, y - 75 + 32] as const;

function expectPixel(actual: Pixel, expected: readonly number[], tolerance = 1): void {
  const distance = Math.max(...actual.map((n, i) => Math.abs(n - (expected[i] ?? 0))));
  expect(distance, `${actual} should be ${expected}`).toBeLessThanOrEqual(tolerance);
}

const grey = (share: number): number[] => {
  const n = Math.round(255 * Math.min(1, Math.max(0, share)));
  return [n, n, n, 255];
};

async function show(layers: readonly LayerSpec[], source: SyntheticSource, state: StatePatch = {}) {
  const mounted = mount(sceneOf(layers), source, { position: CENTER, zoom: 1, ...state });
  await mounted.viewer.settled();
  return mounted;
}

const COLOR_TYPES: [DType, (n: number) => number | bigint, [number, number]][] = [
  ["uint8", (n) => n, [10, 150]],
  ["uint16", (n) => n * 300, [3000, 30_000]],
  ["uint32", (n) => n * 2 ** 20, [2 ** 22, 2 ** 27]],
  ["uint64", (n) => BigInt(n) * 2n ** 50n, [2 ** 52, 2 ** 57]],
  ["int8", (n) => n - 100, [-90, 20]],
  ["int16", (n) => (n - 100) * 200, [-15_000, 5000]],
  ["int32", (n) => (n - 100) * 2 ** 20, [-(2 ** 26), 2 ** 24]],
  ["int64", (n) => BigInt(n - 100) * 2n ** 50n, [-(2 ** 56), 2 ** 55]],
  ["float32", (n) => n / 100 - 1, [-0.75, 0.25]],
  ["float64", (n) => n / 100 - 1, [-0.75, 0.25]],
];

test.each(COLOR_TYPES)("%s voxels are drawn through the window", async (dtype, value, window) => {
  const layer = layerSpec(dtype, { boundingBox: FLAT });
  const source = new SyntheticSource([layer], ([x, y]) => [value(x + y)]);
  const { pixel } = await show([layer], source, { layers: { layer: { intensityRange: window } } });
  for (const [x, y] of [
    [68, 43],
    [99, 74],
    [100, 75],
    [131, 106],
    [80, 100],
  ] as const) {
    const [vx, vy] = voxelAt(x, y);
    const share = (Number(value(vx + vy)) - window[0]) / (window[1] - window[0]);
    expectPixel(pixel(x, y), grey(share));
  }
  expect(pixel(67, 75)).toEqual([0, 0, 0, 0]); // left of the box
});

const ID_TYPES: [DType, bigint][] = [
  ["uint8", 201n],
  ["uint16", 40_201n],
  ["uint32", 4_000_000_201n],
  ["uint64", 2n ** 53n + 1n],
  ["int8", -5n],
  ["int16", -500n],
  ["int32", -500_000n],
  ["int64", -(2n ** 60n) - 1n],
];

test.each(ID_TYPES)("%s ids have their colours, 0 has none", async (dtype, id) => {
  const layer = layerSpec(dtype, { category: "segmentation", boundingBox: FLAT });
  const big = dtype.endsWith("64");
  const plain = (n: bigint) => (big ? n : Number(n));
  const source = new SyntheticSource([layer], ([x]) => [
    plain(x < 20 ? 0n : x % 2 === 0 ? id : id - 1n),
  ]);
  const { pixel } = await show([layer], source, { layers: { layer: { opacity: 50 } } });
  const bits = Number(dtype.replace(/\D/g, ""));
  const expected = (n: bigint) => [
    ...segmentColor(BigInt.asUintN(bits, n)).map((c) => c * 0.5 * 255),
    127.5,
  ];
  expectPixel(pixel(100, 75), expected(id)); // voxel 32
  expectPixel(pixel(101, 75), expected(id - 1n));
  expect(pixel(70, 75)).toEqual([0, 0, 0, 0]); // voxel 2 is 0
});

test("ids that differ beyond 2^53 are told apart", async () => {
  const layer = layerSpec("uint64", { category: "segmentation", boundingBox: FLAT });
  const source = new SyntheticSource([layer], ([x]) => [2n ** 63n + BigInt(x)]);
  const { pixel } = await show([layer], source, { layers: { layer: { opacity: 100 } } });
  for (let x = 68; x < 132; x += 7) {
    const id = 2n ** 63n + BigInt(x - 68);
    expectPixel(pixel(x, 60), [...segmentColor(id).map((c) => c * 255), 255]);
  }
});

test("three channels are RGB, of 8 and of 16 bits; of two the first is grey", async () => {
  const layers = [
    layerSpec("uint8", { name: "rgb8", numChannels: 3, boundingBox: FLAT }),
    layerSpec("uint16", { name: "rgb16", numChannels: 3, boundingBox: FLAT }),
    layerSpec("uint8", { name: "two", numChannels: 2, boundingBox: FLAT }),
  ];
  const source = new SyntheticSource(layers, ([x, y], _mag, { name, numChannels }) => {
    if (numChannels === 2) return [x, 255];
    return name === "rgb8" ? [x, y, 200] : [x * 257, y * 257, 200 * 257];
  });
  const only = (name: string): StatePatch => ({
    layers: Object.fromEntries(layers.map((l) => [l.name, { visible: l.name === name }])),
  });
  const { viewer, pixel } = await show(layers, source, only("rgb8"));
  expectPixel(pixel(110, 90), [42, 47, 200, 255]);
  viewer.setState(only("rgb16"));
  await viewer.settled();
  expectPixel(pixel(110, 90), [42, 47, 200, 255]);
  viewer.setState(only("two"));
  await viewer.settled();
  expectPixel(pixel(110, 90), [42, 42, 42, 255]);
});

test("window, gamma, inversion, colour and opacity, in this order", async () => {
  const layer = layerSpec("uint8", { boundingBox: FLAT });
  const source = new SyntheticSource([layer], ([x]) => [x * 4]);
  const { viewer, pixel } = await show([layer], source, {
    layers: { layer: { intensityRange: [50, 200], gamma: 2, color: [255, 128, 0], opacity: 60 } },
  });
  const t = ((32 * 4 - 50) / 150) ** (1 / 2);
  expectPixel(pixel(100, 75), [255 * t * 0.6, 128 * t * 0.6, 0, 255]);
  viewer.setState({ layers: { layer: { inverted: true } } });
  expectPixel(pixel(100, 75), [255 * (1 - t) * 0.6, 128 * (1 - t) * 0.6, 0, 255]);
  expectPixel(pixel(69, 75), [255 * 0.6, 128 * 0.6, 0, 255]); // below the window, inverted
  viewer.setState({ layers: { layer: { visible: false } } });
  expect(pixel(100, 75)).toEqual([0, 0, 0, 0]);
});

test("a window of no width is a threshold", async () => {
  const layer = layerSpec("uint8", { boundingBox: FLAT });
  const source = new SyntheticSource([layer], ([x]) => [x]);
  const state = { layers: { layer: { intensityRange: [40, 40] as const } } };
  const { pixel } = await show([layer], source, state);
  expectPixel(pixel(108, 75), [0, 0, 0, 255]);
  expectPixel(pixel(109, 75), [255, 255, 255, 255]);
});

test("what is no number is dark, also beside numbers that are interpolated", async () => {
  const layer = layerSpec("float32", { boundingBox: FLAT });
  const source = new SyntheticSource([layer], ([x]) => [
    x === 32 ? Number.NaN : x === 40 ? Number.POSITIVE_INFINITY : 0.5,
  ]);
  const { viewer, pixel } = await show([layer], source, {
    layers: { layer: { intensityRange: [0, 1] } },
  });
  expectPixel(pixel(100, 75), [0, 0, 0, 255]);
  expectPixel(pixel(108, 75), [255, 255, 255, 255]);
  viewer.setState({ zoom: 0.25, layers: { layer: { interpolation: true } } });
  await viewer.settled();
  for (let x = 90; x < 140; x += 1) {
    const [r, , , a] = pixel(x, 75);
    expect(r, `at ${x}`).toBeLessThanOrEqual(255);
    expect(a).toBe(255);
  }
  expectPixel(pixel(102, 75), [0, 0, 0, 255], 20); // in the middle of voxel 32
  expectPixel(pixel(110, 75), [128, 128, 128, 255]); // 34.6: far from both
});

test("without a range, that of the data is taken", async () => {
  const layer = layerSpec("float32", { boundingBox: FLAT });
  const source = new SyntheticSource([layer], ([x]) => [1000 + x]);
  const { pixel } = await show([layer], source);
  expectPixel(pixel(68, 75), [0, 0, 0, 255], 2);
  expectPixel(pixel(131, 75), [255, 255, 255, 255], 2);
});

test("each plane shows its slice, turned as in WEBKNOSSOS", async () => {
  const layer = layerSpec("uint8", {
    numChannels: 3,
    boundingBox: { topLeft: [0, 0, 0], width: 100, height: 100, depth: 100 },
  });
  const source = new SyntheticSource([layer], (v) => [...v]);
  const mounted = mount(sceneOf([layer]), source, { position: [50, 40, 30], zoom: 1 });
  await mounted.viewer.settled();
  const at = (plane: "xy" | "yz" | "xz", right: number, down: number) => {
    const { left, top, width, height } = mounted.panel(plane);
    return mounted.pixel(left + width / 2 + right, top + Math.floor(height / 2) + down);
  };
  // Panels are 98 by 73: the middle is at half a pixel vertically.
  expectPixel(at("xy", 5, 7), [55, 47, 30, 255]);
  expectPixel(at("xy", -6, -3), [44, 37, 30, 255]);
  expectPixel(at("yz", 5, 7), [50, 47, 35, 255]);
  expectPixel(at("xz", 5, 7), [55, 40, 37, 255]);
  const rest = mounted.pixel(190, 140);
  expect(rest).toEqual([0, 0, 0, 0]);
});

test("thick voxels are drawn thick", async () => {
  const layer = layerSpec("uint8", {
    boundingBox: { topLeft: [0, 0, 0], width: 64, height: 64, depth: 64 },
  });
  const source = new SyntheticSource([layer], ([, , z]) => [z * 3]);
  const scene = sceneOf([layer], [10, 10, 40]);
  const mounted = mount(scene, source, { position: [32, 32, 32], zoom: 1 });
  await mounted.viewer.settled();
  const { left, top, width } = mounted.panel("yz");
  for (const right of [0, 3, 4, 7, 8, -1, -4, -5]) {
    const z = 32 + Math.floor(right / 4);
    expectPixel(mounted.pixel(left + width / 2 + right, top + 30), grey((z * 3) / 255));
  }
});

test("pictures stay exact a million voxels from the origin", async () => {
  const far: Vec3 = [1_000_000, 2_000_000, 0];
  const layer = layerSpec("uint8", {
    boundingBox: { topLeft: [999_990, 1_999_990, 0], width: 40, height: 40, depth: 1 },
  });
  const source = new SyntheticSource([layer], ([x, y]) => [(x - 999_990) * 5 + (y - 1_999_990)]);
  const { pixel } = await show([layer], source, { position: far, zoom: 0.1 });
  for (const [right, down] of [
    [0, 0],
    [9, 9],
    [10, -1],
    [-1, 10],
    [55, -33],
  ] as const) {
    const value = (10 + Math.floor(right / 10)) * 5 + 10 + Math.floor(down / 10);
    expectPixel(pixel(100 + right, 75 + down), grey(value / 255), 0);
  }
});

test("a layer is drawn within its box alone, to the voxel", async () => {
  const layer = layerSpec("uint8", {
    boundingBox: { topLeft: [13, 21, 0], width: 30, height: 9, depth: 1 },
    mags: [
      [1, 1, 1],
      [4, 4, 1],
    ],
  });
  const source = new SyntheticSource([layer], () => [255]);
  for (const zoom of [1, 4]) {
    const { pixel } = await show([layer], source, { position: [28, 25, 0], zoom });
    const inside = (x: number, y: number) => pixel(x, y)[3] === 255;
    const at = (voxel: number, middle: number, size: number) => size / 2 + (voxel - middle) / zoom;
    const left = Math.ceil(at(13, 28, 200) - 0.5);
    const right = Math.ceil(at(43, 28, 200) - 0.5) - 1;
    expect([
      inside(left - 1, 75),
      inside(left, 75),
      inside(right, 75),
      inside(right + 1, 75),
    ]).toEqual([false, true, true, false]);
    const top = Math.ceil(at(21, 25, 150) - 0.5);
    const bottom = Math.ceil(at(30, 25, 150) - 0.5) - 1;
    expect([
      inside(100, top - 1),
      inside(100, top),
      inside(100, bottom),
      inside(100, bottom + 1),
    ]).toEqual([false, true, true, false]);
  }
});

const STEPPED: Partial<LayerSpec> = {
  boundingBox: { topLeft: [0, 0, 0], width: 256, height: 256, depth: 1 },
  mags: [
    [1, 1, 1],
    [2, 2, 1],
    [4, 4, 1],
    [8, 8, 1],
    [16, 16, 1],
  ],
};

test("coarser voxels stand in until the finer ones come, three mags at most", async () => {
  const layer = layerSpec("uint8", STEPPED);
  const value = ([x, y]: Vec3, [mag]: Vec3) => [(x * mag) / 2 + (y * mag) / 8 + mag];
  for (const finest of [8, 16]) {
    const source = new SyntheticSource([layer], value, ({ mag }) =>
      mag[0] < finest ? "never" : null,
    );
    const state = { position: [128, 128, 0] as const, zoom: 1 };
    const { pixel, viewer } = mount(sceneOf([layer]), source, state);
    await until(() => source.requested.some(({ requests }) => requests[0]?.mag[0] === 1));
    if (finest === 16) {
      expect(
        source.requested.every(({ requests }) => requests.every(({ mag }) => mag[0] < 16)),
      ).toBe(true);
      expect(pixel(100, 75)).toEqual([0, 0, 0, 0]);
      continue;
    }
    await until(() => pixel(100, 75)[3] === 255);
    for (const [x, y] of [
      [100, 75],
      [99, 75],
      [37, 140],
    ] as const) {
      const [vx, vy] = [Math.floor((x + 28) / 8), Math.floor((y + 53) / 8)];
      expectPixel(pixel(x, y), grey((value([vx, vy, 0], [8, 8, 1])[0] as number) / 255));
    }
    viewer.destroy();
    expect(source.aborted).toBeGreaterThan(0);
  }
});

test("the mag follows the zoom", async () => {
  const layer = layerSpec("uint8", STEPPED);
  const source = new SyntheticSource([layer], (_v, [mag]) => [mag * 10]);
  const { viewer, pixel } = await show([layer], source, { position: [128, 128, 0], zoom: 1 });
  for (const [zoom, mag] of [
    [0.2, 1],
    [1, 1],
    [2, 2],
    [4.1, 4],
    [7, 8],
    [40, 16],
  ] as const) {
    viewer.setState({ zoom });
    await viewer.settled();
    expectPixel(pixel(100, 75), grey((mag * 10) / 255));
  }
});

test("interpolation makes no seams at the borders of bricks, nor at those of the layer", async () => {
  const layer = layerSpec("uint8", {
    boundingBox: { topLeft: [0, 0, 0], width: 128, height: 96, depth: 1 },
  });
  const source = new SyntheticSource([layer], ([x, y]) => [x + y]);
  for (const position of [
    [64, 64, 0],
    [32, 32, 0],
  ] as const) {
    const { viewer, pixel } = await show([layer], source, {
      position,
      zoom: 0.125,
      layers: { layer: { interpolation: true, intensityRange: [0, 255] } },
    });
    const { data, width } = viewer.readPixels();
    for (let y = 0; y < 150; y += 7) {
      for (let x = 0; x < 200; x += 1) {
        const place = [
          position[0] + (x + 0.5 - 100) / 8,
          position[1] + (y + 0.5 - 75) / 8,
        ] as const;
        const expected = place[0] - 0.5 + place[1] - 0.5;
        const red = data[(y * width + x) * 4] as number;
        expect(Math.abs(red - expected), `at ${place}`).toBeLessThanOrEqual(0.75);
      }
    }
    viewer.setState({ layers: { layer: { interpolation: false } } });
    const exact = position[0] + Math.floor(7 / 8) + position[1];
    expectPixel(pixel(107, 75), grey(exact / 255), 0);
  }
  // At the edge the outermost voxels reach to the box's end.
  const { pixel } = await show([layer], source, {
    position: [0, 48, 0],
    zoom: 0.125,
    layers: { layer: { interpolation: true } },
  });
  expectPixel(pixel(100, 71), grey(47 / 255));
  expect(pixel(99, 71)).toEqual([0, 0, 0, 0]);
});

test("voxels that were never written: nothing, coarser ones, or black", async () => {
  const layer = layerSpec("uint8", STEPPED);
  const source = new SyntheticSource(
    [layer],
    (_v, [mag]) => [mag * 10],
    ({ mag, brick }) => {
      // Left of voxel 128 mags 1 and 2 were never written, above voxel 128 mags 4 to 16 neither.
      const isLeft = brick[0] * mag[0] * 32 < 128;
      const isAbove = brick[1] * mag[1] * 32 < 128;
      if (mag[0] <= 2) return isLeft ? { status: "missing" } : null;
      return mag[0] <= 4 && isAbove
        ? { status: "missing" }
        : mag[0] > 4
          ? { status: "missing" }
          : null;
    },
  );
  const { viewer, pixel } = await show([layer], source, { position: [128, 128, 0], zoom: 1 });
  expectPixel(pixel(120, 90), grey(10 / 255));
  expectPixel(pixel(80, 90), grey(40 / 255)); // mag 4 stands in
  expect(pixel(80, 60)).toEqual([0, 0, 0, 0]);
  viewer.setState({ renderMissingDataBlack: true });
  await viewer.settled();
  expect(pixel(80, 90)).toEqual([0, 0, 0, 255]);
  expect(pixel(80, 60)).toEqual([0, 0, 0, 255]);
  expectPixel(pixel(120, 90), grey(10 / 255));
});

test("failed bricks are striped, over coarser voxels where there are some", async () => {
  const layer = layerSpec("uint8", STEPPED);
  const source = new SyntheticSource(
    [layer],
    () => [100],
    ({ mag, brick }) => {
      if (mag[0] > 1) return null;
      return brick[0] < 4 ? { status: "failed", error: "chunk 0.0 is truncated" } : null;
    },
  );
  const mounted = mount(sceneOf([layer]), source, { position: [128, 128, 0], zoom: 1 });
  const errors: string[] = [];
  mounted.viewer.on("error", (error) => errors.push(error));
  await mounted.viewer.settled();
  const { pixel } = mounted;
  expectPixel(pixel(120, 75), [100, 100, 100, 255]);
  const seen = Array.from({ length: 24 }, (_, i) => pixel(60 + i, 75).join(","));
  expect(new Set(seen).size).toBe(2);
  expect(seen).toContain("100,100,100,255");
  expect(errors.at(-1)).toContain("chunk 0.0 is truncated");
  expect(mounted.root.querySelector(".wk-message")?.textContent).toContain(
    "chunk 0.0 is truncated",
  );
});

test("layers are added up, or the first covers those below it", async () => {
  const box = { boundingBox: FLAT };
  const layers = [
    layerSpec("uint8", { name: "red", ...box }),
    layerSpec("uint8", {
      name: "green",
      boundingBox: { topLeft: [32, 0, 0], width: 32, height: 64, depth: 1 },
    }),
    layerSpec("uint8", { name: "ids", category: "segmentation", ...box }),
  ];
  const source = new SyntheticSource(layers, ([x, y], _mag, { name }) => {
    if (name === "ids") return [x === 40 && y === 40 ? 7 : 0];
    return [name === "red" ? 200 : 100];
  });
  const { viewer, pixel } = await show(layers, source, {
    layers: {
      red: { color: [255, 0, 0] },
      green: { color: [0, 255, 0], opacity: 50 },
      ids: { opacity: 25 },
    },
  });
  expectPixel(pixel(90, 75), [200, 0, 0, 255]);
  expectPixel(pixel(110, 75), [200, 50, 0, 255]);
  const own = segmentColor(7n).map((c) => c * 255);
  const below = [200, 50, 0];
  expectPixel(pixel(108, 83), [...own.map((c, i) => c * 0.25 + (below[i] as number) * 0.75), 255]);
  viewer.setState({ blendMode: "cover", layerOrder: ["green", "red"] });
  expectPixel(pixel(110, 75), [100, 50, 0, 255]);
  expectPixel(pixel(90, 75), [200, 0, 0, 255]);
  viewer.setState({ layerOrder: ["red", "green"] });
  expectPixel(pixel(110, 75), [200, 0, 0, 255]);
});

test("coordinates on further axes show other voxels", async () => {
  const layer = layerSpec("uint8", {
    boundingBox: FLAT,
    additionalAxes: [{ name: "t", bounds: [0, 5] }],
  });
  const inner = new SyntheticSource([layer], () => [0]);
  const source = {
    fetch: async (
      name: string,
      requests: Parameters<typeof inner.fetch>[1],
      signal: AbortSignal,
      additional: Record<string, number>,
    ) => {
      const results = await inner.fetch(name, requests, signal);
      for (const result of results) {
        if (result.status === "ok") new Uint8Array(result.data).fill(50 * (additional.t ?? 5));
      }
      return results;
    },
  };
  const { viewer, pixel } = mount(sceneOf([layer]), source, { position: CENTER, zoom: 1 });
  await viewer.settled();
  expectPixel(pixel(100, 75), [0, 0, 0, 255]);
  viewer.setState({ additionalCoordinates: { t: 3 } });
  await viewer.settled();
  expectPixel(pixel(100, 75), [150, 150, 150, 255]);
});
