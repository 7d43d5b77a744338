import { expect, test, vi } from "vitest";
import type { Vec3 } from "../core/vec3.ts";
import { type Mounted, mount, nextFrame, until } from "./browserTesting.ts";
import { createViewer } from "./createViewer.ts";
import { segmentColor } from "./segmentColor.ts";
import { layerSpec, SyntheticSource, sceneOf } from "./testing.ts";
import type { Hover, StatePatch, ViewerState } from "./types.ts";

const BOX = { topLeft: [0, 0, 0] as const, width: 100, height: 100, depth: 100 };
const ID = 2n ** 60n;

const LAYERS = [
  layerSpec("uint8", { name: "color", boundingBox: BOX }),
  layerSpec("uint64", { name: "ids", category: "segmentation", boundingBox: BOX }),
];

function makeSource(): SyntheticSource {
  return new SyntheticSource(LAYERS, ([x, y, z], _mag, { name }) => {
    return name === "color" ? [x + y] : [z >= 30 ? ID + BigInt(x >> 4) : 0n];
  });
}

async function show(state: StatePatch = {}) {
  const source = makeSource();
  const start = { position: [50, 40, 30] as Vec3, zoom: 1, ...state };
  const mounted = mount(sceneOf(LAYERS), source, start);
  const states: ViewerState[] = [];
  const hovers: (Hover | null)[] = [];
  mounted.viewer.on("state", (next) => states.push(next));
  mounted.viewer.on("hover", (next) => hovers.push(next));
  // Only pointers of real devices can be captured.
  mounted.stage.setPointerCapture = () => {};
  await mounted.viewer.settled();
  return { ...mounted, source, states, hovers };
}

/** Do something with the pointer at a place of the stage. */
function point(
  { stage }: Mounted,
  type: string,
  x: number,
  y: number,
  init: PointerEventInit = {},
) {
  const { left, top } = stage.getBoundingClientRect();
  const at = { clientX: left + x, clientY: top + y, bubbles: true, cancelable: true };
  const event = new PointerEvent(type, { ...at, pointerId: 1, ...init });
  stage.dispatchEvent(event);
  return event;
}

function wheel({ stage }: Mounted, x: number, y: number, init: WheelEventInit) {
  const { left, top } = stage.getBoundingClientRect();
  const at = { clientX: left + x, clientY: top + y, bubbles: true, cancelable: true };
  const event = new WheelEvent("wheel", { ...at, ...init });
  stage.dispatchEvent(event);
  return event;
}

function press({ root }: Mounted, key: string, init: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init });
  root.dispatchEvent(event);
  return event;
}

test("dragging pans in the plane of the panel", async () => {
  const shown = await show();
  const { left, top } = shown.panel("yz");
  point(shown, "pointerdown", left + 20, top + 20);
  point(shown, "pointermove", left + 30, top + 15);
  point(shown, "pointermove", left + 32, top + 15);
  point(shown, "pointerup", left + 32, top + 15);
  point(shown, "pointermove", left + 60, top + 60);
  expect(shown.viewer.getState().position).toEqual([50, 45, 18]);
  expect(shown.states.at(-1)?.position).toEqual([50, 45, 18]);
  expect(document.activeElement).toBe(shown.root);
});

test("the wheel goes through slices with the focus, and is left to the page without", async () => {
  const shown = await show();
  expect(wheel(shown, 50, 30, { deltaY: 100 }).defaultPrevented).toBe(false);
  expect(shown.states).toEqual([]);
  shown.root.focus();
  expect(wheel(shown, 50, 30, { deltaY: 100 }).defaultPrevented).toBe(true);
  expect(shown.viewer.getState().position).toEqual([50, 40, 31]);
  wheel(shown, 50, 30, { deltaX: -120, shiftKey: true });
  expect(shown.viewer.getState().position).toEqual([50, 40, 26]);
  const { left } = shown.panel("yz");
  wheel(shown, left + 10, 30, { deltaY: 100 });
  expect(shown.viewer.getState().position).toEqual([51, 40, 26]);
});

test("zooming with the wheel keeps what is under the pointer", async () => {
  const shown = await show();
  shown.root.focus();
  point(shown, "pointermove", 20.5, 20.25);
  const before = shown.hovers.at(-1)?.position;
  wheel(shown, 20.5, 20.25, { deltaY: -100, ctrlKey: true });
  await nextFrame();
  expect(shown.viewer.getState().zoom).toBeCloseTo(1 / 1.1);
  point(shown, "pointermove", 20.5, 20.25);
  expect(shown.hovers.at(-1)?.position).toEqual(before);
});

test("over flat data, which has no slices, the wheel zooms", async () => {
  const flat = layerSpec("uint8", { boundingBox: { ...BOX, depth: 1 } });
  const source = new SyntheticSource([flat], () => [1]);
  const shown = mount(sceneOf([flat]), source, { zoom: 1 });
  await shown.viewer.settled();
  shown.root.focus();
  wheel(shown, 100, 75, { deltaY: 100 });
  expect(shown.viewer.getState().zoom).toBeCloseTo(1.1);
  press(shown, "f");
  expect(shown.viewer.getState().position[2]).toBe(0);
});

test("keys move the panel under the pointer, and only known ones are taken", async () => {
  const shown = await show();
  shown.root.focus();
  const outside = vi.fn();
  document.addEventListener("keydown", outside);
  expect(press(shown, "f").defaultPrevented).toBe(true);
  expect(shown.viewer.getState().position[2]).toBe(31);
  press(shown, "D", { shiftKey: true });
  expect(shown.viewer.getState().position[2]).toBe(26);
  press(shown, "ArrowRight");
  expect(shown.viewer.getState().position[0]).toBe(74);
  press(shown, "i");
  expect(shown.viewer.getState().zoom).toBeCloseTo(1 / 1.1);
  expect(outside).not.toHaveBeenCalled();
  expect(press(shown, "x").defaultPrevented).toBe(false);
  expect(outside).toHaveBeenCalledTimes(1);
  document.removeEventListener("keydown", outside);
  const { left, top } = shown.panel("xz");
  point(shown, "pointermove", left + 5, top + 5);
  press(shown, " ");
  expect(shown.viewer.getState().position[1]).toBe(41);
  press(shown, "3");
  expect(shown.viewer.getState().layers.ids?.visible).toBe(false);
  press(shown, "3");
  expect(shown.viewer.getState().layers.ids?.visible).toBe(true);
});

test("a double click and a right click go there", async () => {
  const shown = await show();
  const { left, top, width, height } = shown.panel("xy");
  const x = left + width / 2 + 7;
  const y = top + height / 2 - 4;
  point(shown, "dblclick", x, y);
  expect(shown.viewer.getState().position).toEqual([57, 36, 30]);
  point(shown, "pointerdown", x, y, { button: 2 });
  point(shown, "pointerup", x, y, { button: 2 });
  expect(shown.viewer.getState().position).toEqual([64, 32, 30]);
  expect(point(shown, "contextmenu", x, y).defaultPrevented).toBe(true);
});

test("a maximised panel fills the stage, and the full stop or Escape gives the others back", async () => {
  const shown = await show();
  shown.root.focus();
  const { left, top } = shown.panel("xz");
  point(shown, "pointermove", left + 5, top + 5);
  press(shown, ".");
  await shown.viewer.settled();
  const visible = () =>
    [...shown.root.querySelectorAll<HTMLElement>(".wk-panel")]
      .filter((panel) => !panel.hidden)
      .map((panel) => [panel.dataset.plane, panel.clientWidth]);
  expect(visible()).toEqual([["xz", 200]]);
  // x 90, y 40 is 40 to the right of the middle; z is beyond the box 71 below.
  expect(shown.pixel(140, 75)[3]).toBe(255);
  press(shown, "Escape");
  await shown.viewer.settled();
  expect(visible().length).toBe(3);
  press(shown, "Escape");
  expect(document.activeElement).not.toBe(shown.root);
});

test("the lines of other planes are gone while a panel is alone, and come back with them", async () => {
  const shown = await show();
  const lines = () => {
    const found = shown.root.querySelectorAll<HTMLElement>(".wk-panel:not([hidden]) .wk-line");
    return [...found].filter(({ hidden }) => !hidden).length;
  };
  expect(lines()).toBe(6);
  for (const plane of ["xy", "yz", "xz"] as const) {
    const { left, top } = shown.panel(plane);
    point(shown, "pointermove", left + 5, top + 5);
    press(shown, ".");
    await shown.viewer.settled();
    expect(lines(), plane).toBe(0);
    press(shown, ".");
    await shown.viewer.settled();
    expect(lines(), plane).toBe(6);
  }
});

test("hovering tells the voxel and its values, ids exactly, and lights the segment up", async () => {
  const shown = await show({ layers: { ids: { opacity: 40 } } });
  const { left, top, width } = shown.panel("xy");
  const [x, y] = [left + width / 2 + 3, top + 36];
  const before = shown.pixel(x, y);
  point(shown, "pointermove", x, y);
  const hover = shown.hovers.at(-1) as Hover;
  expect(hover.plane).toBe("xy");
  expect(hover.position).toEqual([53, 39, 30]);
  expect(hover.values).toEqual({ color: 92, ids: ID + 3n });
  expect(hover.mags).toEqual({ color: [1, 1, 1], ids: [1, 1, 1] });
  expect(shown.root.querySelector(".wk-info")?.textContent).toContain(String(ID + 3n));
  const lit = shown.pixel(x, y);
  const own = segmentColor(ID + 3n);
  for (const channel of [0, 1, 2] as const) {
    const tinted = (own[channel] * 0.7 + 0.3) * 255 * 0.7 + 92 * 0.3;
    expect(Math.abs(lit[channel] - tinted)).toBeLessThanOrEqual(1.5);
  }
  point(shown, "pointermove", left + 10, top + 36);
  expect(shown.pixel(x, y)).toEqual(before);
  const count = shown.hovers.length;
  point(shown, "pointermove", left + 10, top + 36);
  expect(shown.hovers.length).toBe(count); // nothing new
  point(shown, "pointerleave", 0, 0);
  expect(shown.hovers.at(-1)).toBeNull();
});

test("a state that is set is drawn but not told back", async () => {
  const shown = await show();
  shown.viewer.setState({ position: [10, 20, 50] });
  await shown.viewer.settled();
  const { left, top, width } = shown.panel("xy");
  expect(shown.pixel(left + width / 2, top + 36)[3]).toBe(255);
  expect(shown.states).toEqual([]);
  expect(shown.root.querySelector(".wk-info")?.textContent).toContain("10, 20, 50");
});

test("without a zoom the dataset is fitted to the panel, and the zoom is told", async () => {
  const el = document.createElement("div");
  el.style.cssText = "position:relative;width:204px;height:126px"; // panels of 100 by 50
  document.body.append(el);
  const onChange = vi.fn();
  const viewer = createViewer(el, { scene: sceneOf(LAYERS), source: makeSource(), onChange });
  await viewer.settled();
  expect(viewer.getState().zoom).toBeCloseTo(2);
  expect(onChange).toHaveBeenCalledTimes(1);
  viewer.destroy();
  el.remove();
});

test("the canvas follows the element, with the middle in the middle", async () => {
  const shown = await show();
  shown.el.style.width = "300px";
  const canvas = shown.root.querySelector("canvas") as HTMLCanvasElement;
  await until(() => canvas.width === 300 * devicePixelRatio);
  await shown.viewer.settled();
  const panel = shown.root.querySelector<HTMLElement>('[data-plane="xy"]') as HTMLElement;
  expect(panel.clientWidth).toBe(148);
  expect(shown.pixel(74, 36).slice(3)).toEqual([255]);
});

test("loading begins and ends, and then nothing is drawn any more", async () => {
  const source = makeSource();
  const { viewer } = mount(sceneOf(LAYERS), source, { position: [50, 40, 30], zoom: 1 });
  const loading: boolean[] = [];
  viewer.on("loading", (now) => loading.push(now));
  await viewer.settled();
  expect(loading).toEqual([true, false]);
  // What came last may still be drawn, and a first resize be told: a busy machine takes some frames.
  for (let i = 0; i < 5; i += 1) await nextFrame();
  const frames = vi.spyOn(window, "requestAnimationFrame");
  const draws = vi.spyOn(WebGL2RenderingContext.prototype, "drawArrays");
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setTimeout(resolve));
  expect(frames).not.toHaveBeenCalled();
  viewer.setState({ zoom: 0.9 });
  viewer.setState({ zoom: 0.8 });
  expect(frames).toHaveBeenCalledTimes(1);
  expect(draws).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

test("while requests fail words stand in the place of the bar, until data come", async () => {
  const source = makeSource();
  const fetch = vi.spyOn(source, "fetch").mockRejectedValue(new Error("The server is gone."));
  const { viewer, root } = mount(sceneOf(LAYERS), source, { zoom: 1 });
  const bar = root.querySelector<HTMLElement>(".wk-busy") as HTMLElement;
  const message = root.querySelector<HTMLElement>(".wk-message") as HTMLElement;
  expect(bar.hidden).toBe(false);
  await until(() => message.textContent?.includes("The server is gone.") === true);
  expect(bar.hidden).toBe(true);
  fetch.mockRestore();
  await viewer.settled();
  expect(message.hidden).toBe(true);
  expect(bar.hidden).toBe(true);
});

test("a frame that falls into a moment of being hidden is made up for", async () => {
  const { viewer, el } = await show();
  for (let i = 0; i < 5; i += 1) await nextFrame();
  // All three in one frame, so that its end, when sizes are observed, sees nothing of it.
  requestAnimationFrame(() => {
    el.style.display = "none";
  });
  const settled = viewer.settled();
  requestAnimationFrame(() => {
    el.style.display = "";
  });
  await settled;
}, 10_000);

test("a hidden viewer asks for no frames, and draws what it missed when it is shown", async () => {
  const { viewer, el } = await show();
  el.style.display = "none";
  const settled = viewer.settled();
  for (let i = 0; i < 5; i += 1) await nextFrame();
  const frames = vi.spyOn(window, "requestAnimationFrame");
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setTimeout(resolve));
  expect(frames).not.toHaveBeenCalled();
  vi.restoreAllMocks();
  el.style.display = "";
  await settled;
}, 10_000);

test("a lost context is told, and everything is back when it is restored", async () => {
  const shown = await show();
  const lost: boolean[] = [];
  const errors: string[] = [];
  shown.viewer.on("contextlost", (now) => lost.push(now));
  shown.viewer.on("error", (message) => errors.push(message));
  const before = shown.viewer.readPixels().data;
  const canvas = shown.root.querySelector("canvas") as HTMLCanvasElement;
  const gl = canvas.getContext("webgl2") as WebGL2RenderingContext;
  const extension = gl.getExtension("WEBGL_lose_context") as WEBGL_lose_context;
  extension.loseContext();
  await until(() => lost.length === 1);
  const message = shown.root.querySelector<HTMLElement>(".wk-message") as HTMLElement;
  expect(message.hidden).toBe(false);
  expect(errors.at(-1)).not.toBe("");
  const requests = shown.source.requested.length;
  extension.restoreContext();
  await until(() => lost.length === 2);
  await shown.viewer.settled();
  expect(lost).toEqual([true, false]);
  expect(errors.at(-1)).toBe("");
  expect(message.hidden).toBe(true);
  expect(shown.viewer.readPixels().data).toEqual(before);
  expect(shown.source.requested.length).toBe(requests); // the bricks were still in memory
});

test("a browser without WebGL 2 is told so in words", async () => {
  const getContext = vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
  const { viewer, root } = mount(sceneOf(LAYERS), makeSource(), {});
  getContext.mockRestore();
  const errors: string[] = [];
  viewer.on("error", (message) => errors.push(message));
  await viewer.settled();
  expect(root.querySelector(".wk-message")?.textContent).toContain("WebGL 2");
  expect(errors.join()).toContain("WebGL 2");
});

test("a driver that refuses the shaders is told in words, and the page goes on", async () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => {});
  const link = vi.spyOn(WebGL2RenderingContext.prototype, "getProgramParameter");
  link.mockReturnValue(false);
  const { viewer, root } = mount(sceneOf(LAYERS), makeSource(), { zoom: 1 });
  link.mockRestore();
  await viewer.settled();
  expect(root.querySelector(".wk-message")?.textContent).toContain("can't be drawn");
  expect(log).toHaveBeenCalledTimes(1);
  log.mockRestore();
});
