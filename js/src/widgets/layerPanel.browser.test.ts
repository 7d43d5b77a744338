import { expect, onTestFinished, test } from "vitest";
import { defaultState, patched } from "../viewer/state.ts";
import { layerSpec, sceneOf } from "../viewer/testing.ts";
import type { DType, LayerState, StatePatch, ViewerState } from "../viewer/types.ts";
import { LayerPanel } from "./layerPanel.ts";
import { addStyles } from "./styles.ts";

const POSITION = "Position in voxels: x, y, z";
const ZOOM = "Voxels per pixel";
const LOW = "Intensity of color that is black";
const HIGH = "Intensity of color that is brightest";
const LOW_HANDLE = "Lower end of the intensities of color";
const HIGH_HANDLE = "Upper end of the intensities of color";

function makePanel(dtype: DType = "uint8") {
  const scene = sceneOf([
    layerSpec(dtype, { name: "color" }),
    layerSpec("uint64", { name: "ids", category: "segmentation" }),
  ]);
  const parent = document.createElement("div");
  parent.className = "wk-widget";
  document.body.append(parent);
  addStyles(parent);
  const changes: StatePatch[] = [];
  const panel = new LayerPanel(parent, scene, (patch) => changes.push(patch));
  onTestFinished(() => {
    panel.dispose();
    parent.remove();
  });
  const field = (label: string) => {
    const found = parent.querySelector<HTMLInputElement>(`[aria-label="${label}"]`);
    if (found === null) throw new Error(`no field ${label}`);
    return found;
  };
  const type = (label: string, value: string) => {
    field(label).value = value;
    field(label).dispatchEvent(new Event("input", { bubbles: true }));
  };
  const enter = (label: string, value: string) => {
    type(label, value);
    field(label).dispatchEvent(new Event("change", { bubbles: true }));
  };
  let state: ViewerState = defaultState(scene);
  const show = (patch: StatePatch = {}) => {
    state = patched(state, patch);
    panel.show(state);
  };
  show();
  return { parent, panel, changes, field, type, enter, show };
}

test("each field changes just its own part of the state", () => {
  const { changes, field, enter } = makePanel();
  enter(POSITION, "1.5 -2 3");
  enter(ZOOM, "0.25");
  enter("Opacity of color, 0 to 100", "30");
  enter("Opacity of ids, 0 to 100", "70");
  enter("Color of color", "#0080ff");
  field("Show ids").click();
  field("Interpolate color").click();
  expect(changes).toEqual([
    { position: [1.5, -2, 3] },
    { zoom: 0.25 },
    { layers: { color: { opacity: 30 } } },
    { layers: { ids: { opacity: 70 } } },
    { layers: { color: { color: [0, 128, 255] } } },
    { layers: { ids: { visible: false } } },
    { layers: { color: { interpolation: true } } },
  ]);
});

test("showing a state changes nothing", () => {
  const { changes, field, show, parent } = makePanel();
  const color: Partial<LayerState> = {
    visible: false,
    opacity: 12.6,
    color: [1, 2, 3],
    intensityRange: [5, 90],
  };
  show({ position: [-1.5, 2.9, 3], zoom: 1.23456, layers: { color } });
  expect(field(POSITION).value).toBe("-2, 2, 3");
  expect(field(ZOOM).value).toBe("1.23");
  expect(field("Show color").checked).toBe(false);
  expect(parent.querySelector(".wk-off")?.getAttribute("aria-label")).toBe("Layer color");
  expect(parent.querySelector(".wk-off .wk-value")?.textContent).toBe("13 %");
  expect(field("Color of color").value).toBe("#010203");
  expect([field(LOW).value, field(HIGH).value]).toEqual(["5", "90"]);
  expect([field(LOW_HANDLE).value, field(HIGH_HANDLE).value]).toEqual(["5", "90"]);
  expect(changes).toEqual([]);
});

test("what is being typed is left alone until it is finished", () => {
  const { changes, field, type, show } = makePanel();
  type(POSITION, "7, 8");
  show({ position: [1, 1, 1] });
  expect(field(POSITION).value).toBe("7, 8");
  field(POSITION).dispatchEvent(new FocusEvent("blur"));
  show({ position: [2, 2, 2] });
  expect(field(POSITION).value).toBe("2, 2, 2");
  expect(changes).toEqual([]);
});

test("Enter finishes a field, and the page does not hear of it", () => {
  const { parent, changes, field, type } = makePanel();
  let heard = 0;
  parent.addEventListener("keydown", () => {
    heard += 1;
  });
  type(ZOOM, "3");
  field(ZOOM).dispatchEvent(new KeyboardEvent("keydown", { key: "3", bubbles: true }));
  expect(changes).toEqual([]);
  field(ZOOM).dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  expect(changes).toEqual([{ zoom: 3 }]);
  expect(heard).toBe(1);
});

test("what makes no sense is marked until it does", () => {
  const { changes, field, enter } = makePanel();
  const isMarked = (label: string) => field(label).getAttribute("aria-invalid") === "true";
  for (const text of ["", "here", "1, 2", "1 2 3 4"]) {
    enter(POSITION, text);
    expect(isMarked(POSITION)).toBe(true);
  }
  for (const text of ["", "0", "-1"]) {
    enter(ZOOM, text);
    expect(isMarked(ZOOM)).toBe(true);
  }
  enter(LOW, "6");
  expect([isMarked(LOW), isMarked(HIGH)]).toEqual([true, true]);
  enter(HIGH, "5");
  expect([isMarked(LOW), isMarked(HIGH)]).toEqual([true, true]);
  expect(changes).toEqual([]);
  enter(HIGH, "6");
  enter(POSITION, "1 2 3");
  expect([LOW, HIGH, POSITION].map(isMarked)).toEqual([false, false, false]);
  expect(changes).toEqual([
    { layers: { color: { intensityRange: [6, 6] } } },
    { position: [1, 2, 3] },
  ]);
});

test("both ends emptied, the range is taken from the data again", () => {
  const { changes, enter, show } = makePanel();
  show({ layers: { color: { intensityRange: [5, 90] } } });
  enter(LOW, "");
  expect(changes).toEqual([]);
  enter(HIGH, "");
  expect(changes).toEqual([{ layers: { color: { intensityRange: null } } }]);
});

test("the handles change the range, and stop at each other", () => {
  const { changes, field, enter, show } = makePanel();
  show({ layers: { color: { intensityRange: [50, 90] } } });
  enter(LOW_HANDLE, "60");
  enter(HIGH_HANDLE, "20");
  enter(LOW_HANDLE, "200");
  expect(changes).toEqual(
    [
      [60, 90],
      [60, 60],
      [60, 60],
    ].map((intensityRange) => ({ layers: { color: { intensityRange } } })),
  );
  expect(field(LOW_HANDLE).max).toBe("255");
});

test.each(["uint8", "uint16", "int8"] as const)(
  "where no range is set the handles of %s are at the ends of what the type holds",
  (dtype) => {
    const { field, show } = makePanel(dtype);
    const low = field(LOW_HANDLE);
    const high = field(HIGH_HANDLE);
    const full = { uint8: ["0", "255"], uint16: ["0", "65535"], int8: ["-128", "127"] }[dtype];
    expect([low.value, high.value]).toEqual(full);
    show({ layers: { color: { intensityRange: [3, 9] } } });
    expect([low.value, high.value]).toEqual(["3", "9"]);
    show({ layers: { color: { intensityRange: null } } });
    expect([low.value, high.value]).toEqual(full);
    expect([field(LOW).value, field(HIGH).value]).toEqual(["", ""]);
  },
);

test.each(["float32", "uint32"] as const)(
  "where no range is set %s has no handles, for nobody knows where they would be",
  (dtype) => {
    const { field, show } = makePanel(dtype);
    const isShown = () => field(LOW_HANDLE).checkVisibility();
    expect(isShown()).toBe(false);
    show({ layers: { color: { intensityRange: [1, 2] } } });
    expect(isShown()).toBe(true);
    expect([field(LOW_HANDLE).value, field(HIGH_HANDLE).value]).toEqual(["1", "2"]);
  },
);

test("a range beyond the slider widens it, but not under the user's hand", () => {
  const { field, show } = makePanel("float32");
  show({ layers: { color: { intensityRange: [0, 1] } } });
  const low = field(LOW_HANDLE);
  expect([low.min, low.max]).toEqual(["-0.5", "1.5"]);
  low.focus();
  show({ layers: { color: { intensityRange: [0.5, 1] } } });
  expect([low.min, low.max]).toEqual(["-0.5", "1.5"]);
  low.blur();
  show({ layers: { color: { intensityRange: [0, 10] } } });
  expect([low.min, low.max, low.value]).toEqual(["-5", "15", "0"]);
});

test("a segmentation has no colour and no range; every field has a name", () => {
  const { parent } = makePanel();
  const ids = parent.querySelector('[aria-label="Layer ids"]') as HTMLElement;
  expect(ids.querySelectorAll("input")).toHaveLength(2);
  const inputs = [...parent.querySelectorAll("input")];
  const names = inputs.map((input) => input.getAttribute("aria-label"));
  expect(new Set(names).size).toBe(inputs.length);
});

test("a panel that is gone is deaf", () => {
  const { parent, panel, changes, field } = makePanel();
  const zoom = field(ZOOM);
  const visible = field("Show color");
  panel.dispose();
  expect(parent.childElementCount).toBe(0);
  zoom.value = "3";
  zoom.dispatchEvent(new Event("change"));
  visible.click();
  expect(changes).toEqual([]);
});
