import { expect, onTestFinished, test, vi } from "vitest";
import { encodeFrame, rawBrick } from "../api/testing.ts";
import { defaultState } from "../viewer/state.ts";
import { brickData, layerSpec, sceneOf } from "../viewer/testing.ts";
import type { LayerState } from "../viewer/types.ts";
import { FakeModel } from "./testing.ts";
import { render } from "./viewer.ts";

/** Waits longer than a busy machine takes. */
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 20_000 });

const LAYERS = [
  layerSpec("uint8", { name: "color" }),
  layerSpec("uint64", { name: "ids", category: "segmentation" }),
];
const ID = 2n ** 60n + 1n;

/** A model whose kernel answers: intensities are 100, ids are all the same. */
function makeModel(): FakeModel {
  const fake = new FakeModel({
    scene: sceneOf(LAYERS),
    source: { kind: "comm" },
    position: [32, 32, 32],
    zoom: 1,
    layer_settings: defaultState(sceneOf(LAYERS)).layers, // Python sets all
    blend_mode: "additive",
    render_missing_data_black: false,
    additional_coordinates: {},
    height: 300,
    hovered: null,
    loading: false,
    error: "",
  });
  fake.onSend = ({ id, layer, bricks }) => {
    const spec = LAYERS.find(({ name }) => name === layer) as (typeof LAYERS)[0];
    const data = brickData(spec, [1, 1, 1], [0, 0, 0], () => [layer === "ids" ? ID : 100]);
    const frame = encodeFrame((bricks as unknown[]).map(() => rawBrick(data)));
    setTimeout(() => fake.receive({ type: "bricks", id }, frame));
  };
  return fake;
}

async function show(fake = makeModel()) {
  const el = document.createElement("div");
  el.style.width = "700px";
  document.body.append(el);
  const close = render({ model: fake.model, el });
  onTestFinished(() => {
    close();
    el.remove();
  });
  const field = (label: string) => el.querySelector(`[aria-label="${label}"]`) as HTMLInputElement;
  const enter = (label: string, value: string) => {
    const input = field(label);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  await eventually(() => expect(fake.sent.length).toBeGreaterThan(0));
  await eventually(() => expect(fake.get("loading")).toBe(false));
  return { fake, el, close, field, enter };
}

const color = (fake: FakeModel) =>
  (fake.get("layer_settings") as Record<string, LayerState>).color as LayerState;

/** What Python was told of the view's state. */
function toldSince(fake: FakeModel, before: number): Record<string, unknown> {
  const { loading: _, ...told } = Object.assign({}, ...fake.saved.slice(before));
  return told;
}

test("the panel shows what Python sets", async () => {
  const { fake, el, field } = await show();
  fake.change("position", [10.6, 20, 30]);
  fake.change("zoom", 0.5);
  fake.change("layer_settings", {
    color: { visible: false, opacity: 40, color: [255, 128, 0], intensityRange: [5, 90] },
  });
  expect(field("Position in voxels: x, y, z").value).toBe("10, 20, 30");
  expect(field("Voxels per pixel").value).toBe("0.5");
  expect(field("Show color").checked).toBe(false);
  expect(field("Opacity of color, 0 to 100").value).toBe("40");
  expect(field("Color of color").value).toBe("#ff8000");
  expect(field("Intensity of color that is black").value).toBe("5");
  expect(field("Upper end of the intensities of color").value).toBe("90");
  fake.change("height", 222);
  const stage = el.querySelector(".wk-stage") as HTMLElement;
  expect(stage.style.height).toBe("222px");
});

test("what Python sets is not told back, whichever view is asked", async () => {
  const fake = makeModel();
  const one = await show(fake);
  await show(fake);
  one.enter("Voxels per pixel", "2");
  await eventually(() => expect(fake.get("zoom")).toBe(2)); // the views have told all that they had to
  const before = fake.saved.length;
  fake.change("position", [1.25, 2.5, 3]);
  fake.change("blend_mode", "cover");
  const settings = fake.get("layer_settings") as Record<string, LayerState>;
  fake.change("layer_settings", { ...settings, color: { ...settings.color, opacity: 40 } });
  one.enter("Voxels per pixel", "3");
  await eventually(() => expect(fake.get("zoom")).toBe(3));
  await eventually(() => expect(fake.get("loading")).toBe(false));
  expect(toldSince(fake, before)).toEqual({ zoom: 3 });
  expect(fake.get("position")).toEqual([1.25, 2.5, 3]);
});

test("what the user enters is told Python", async () => {
  const { fake, field, enter } = await show();
  enter("Position in voxels: x, y, z", "1, 2, 3");
  enter("Voxels per pixel", "2");
  enter("Opacity of color, 0 to 100", "30");
  enter("Color of color", "#00ff00");
  enter("Intensity of color that is black", "10");
  enter("Intensity of color that is brightest", "20");
  await eventually(() => expect(fake.get("position")).toEqual([1, 2, 3]));
  expect(fake.get("zoom")).toBe(2);
  expect(color(fake)).toMatchObject({ opacity: 30, color: [0, 255, 0], intensityRange: [10, 20] });
  enter("Upper end of the intensities of color", "4"); // stops at the other handle
  await eventually(() => expect(color(fake).intensityRange).toEqual([10, 10]));
  field("Interpolate color").click();
  field("Show ids").click();
  await eventually(() => expect(color(fake).interpolation).toBe(true));
  expect(fake.get("layer_settings")).toMatchObject({ ids: { visible: false } });
});

test("Enter is enough, also where the page lets no change event come of it", async () => {
  const { fake, field } = await show();
  const input = field("Position in voxels: x, y, z");
  input.value = "7 8 9";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  await eventually(() => expect(fake.get("position")).toEqual([7, 8, 9]));
  expect(input.value).toBe("7, 8, 9");
});

test("what makes no sense is marked, and changes nothing", async () => {
  const { fake, field, enter } = await show();
  const before = fake.saved.length;
  for (const [label, value] of [
    ["Position in voxels: x, y, z", "here"],
    ["Voxels per pixel", "-1"],
  ] as const) {
    enter(label, value);
    expect(field(label).getAttribute("aria-invalid")).toBe("true");
  }
  enter("Intensity of color that is brightest", "5");
  enter("Intensity of color that is black", "6");
  expect(field("Intensity of color that is black").getAttribute("aria-invalid")).toBe("true");
  enter("Voxels per pixel", "2"); // what was told is told by now, or together with this
  await eventually(() => expect(fake.get("zoom")).toBe(2));
  expect(toldSince(fake, before)).toEqual({ zoom: 2 });
});

test("hovering tells 64-bit ids as text", async () => {
  const { fake, el } = await show();
  const stage = el.querySelector(".wk-viewer-stage") as HTMLElement;
  const { left, top } = stage.getBoundingClientRect();
  const frame = el.querySelector('.wk-panel[data-plane="xy"]') as HTMLElement;
  const panel = frame.getBoundingClientRect();
  const at = { clientX: left + panel.width / 2, clientY: top + panel.height / 2 };
  stage.dispatchEvent(new PointerEvent("pointermove", { ...at, bubbles: true, pointerId: 1 }));
  await eventually(() =>
    expect(fake.get("hovered")).toMatchObject({ values: { color: 100, ids: String(ID) } }),
  );
});

test("two views of a model stay in step, and what is closed leaves nothing", async () => {
  const fake = makeModel();
  const one = await show(fake);
  const other = await show(fake);
  one.enter("Position in voxels: x, y, z", "4, 5, 6");
  await eventually(() => expect(other.field("Position in voxels: x, y, z").value).toBe("4, 5, 6"));
  one.close();
  other.close();
  expect(fake.listenerCount).toBe(0);
  expect(document.querySelector(".wk-widget")).toBeNull();
});
