import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defaultState, patched } from "../viewer/state.ts";
import { layerSpec, sceneOf } from "../viewer/testing.ts";
import type { StatePatch, ViewerState } from "../viewer/types.ts";
import { FakeModel } from "./testing.ts";
import { isSame, stateOf, TraitSync } from "./traitSync.ts";

const SCENE = sceneOf([layerSpec("uint8", { name: "color" })]);

/** A viewer's state without the viewer. */
class Holder {
  patches: StatePatch[] = [];
  state: ViewerState = defaultState(SCENE);
  getState = () => this.state;
  setState(patch: StatePatch) {
    this.patches.push(patch);
    this.state = patched(this.state, patch);
  }
}

function make(fake = new FakeModel(traits())) {
  const viewer = new Holder();
  viewer.state = patched(viewer.state, stateOf(fake.model));
  const pulled = vi.fn();
  const sync = new TraitSync(fake.model, viewer, pulled);
  const userDoes = (patch: StatePatch) => {
    viewer.state = patched(viewer.state, patch);
    sync.push();
  };
  return { fake, viewer, pulled, sync, userDoes };
}

function traits() {
  return {
    position: [1, 2, 3],
    zoom: 2,
    layer_settings: { color: { ...defaultState(SCENE).layers.color, opacity: 80 } },
    blend_mode: "cover",
    render_missing_data_black: true,
    additional_coordinates: { t: 1 },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a viewer begins as the traits have it", () => {
  const { viewer } = make();
  expect(viewer.state).toMatchObject({
    position: [1, 2, 3],
    zoom: 2,
    blendMode: "cover",
    renderMissingDataBlack: true,
    additionalCoordinates: { t: 1 },
  });
  expect(viewer.state.layers.color?.opacity).toBe(80);
});

test("what Python sets is shown at once, and not told back", () => {
  const { fake, viewer, pulled } = make();
  fake.change("position", [9, 9, 9]);
  fake.change("layer_settings", { color: { opacity: 10 } });
  expect(viewer.state.position).toEqual([9, 9, 9]);
  expect(viewer.state.layers.color?.opacity).toBe(10);
  expect(pulled).toHaveBeenCalledTimes(2);
  vi.runAllTimers();
  expect(fake.saved).toEqual([]);
});

test("what the user does is told a moment later, in one go, and only what is different", () => {
  const { fake, viewer, userDoes } = make();
  userDoes({ position: [5, 5, 5] });
  userDoes({ position: [6, 6, 6], zoom: 3 });
  vi.advanceTimersByTime(99);
  expect(fake.saved).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(fake.saved).toEqual([{ position: [6, 6, 6], zoom: 3 }]);
  expect(viewer.patches).toEqual([]); // no echo
  expect(vi.getTimerCount()).toBe(0);
});

test("a long drag is told of all the while", () => {
  const { fake, userDoes } = make();
  for (let x = 0; x < 50; x += 1) {
    userDoes({ position: [x, 0, 0] });
    vi.advanceTimersByTime(10);
  }
  expect(fake.saved.length).toBe(5);
});

test("what Python changes while the user does something else stays", () => {
  const { fake, viewer, userDoes } = make();
  userDoes({ position: [5, 5, 5] });
  fake.change("layer_settings", { color: { opacity: 10 } });
  fake.change("position", [7, 7, 7]); // the user is just moving
  expect(viewer.state.position).toEqual([5, 5, 5]);
  expect(viewer.state.layers.color?.opacity).toBe(10);
  vi.runAllTimers();
  expect(fake.saved).toEqual([{ position: [5, 5, 5] }]);
});

test("two views of a model stay in step", () => {
  const one = make();
  const other = make(one.fake);
  one.userDoes({ position: [5, 5, 5], layers: { color: { opacity: 33 } } });
  vi.runAllTimers();
  expect(other.viewer.state).toEqual(one.viewer.state);
  expect(one.fake.saved).toHaveLength(1);
});

test("without a kernel a viewer still can be moved", () => {
  const { fake, viewer, userDoes } = make();
  fake.hasKernel = false;
  const said = vi.spyOn(console, "debug").mockImplementation(() => {});
  userDoes({ position: [5, 5, 5] });
  vi.runAllTimers();
  expect(viewer.state.position).toEqual([5, 5, 5]);
  expect(said).toHaveBeenCalledOnce();
  said.mockRestore();
});

test("nothing is left behind", () => {
  const { fake, sync, userDoes } = make();
  userDoes({ zoom: 7 });
  sync.dispose();
  vi.runAllTimers();
  expect(fake.saved).toEqual([]);
  expect(fake.listenerCount).toBe(0);
});

test.each([
  [1, 1, true],
  [1, "1", false],
  [null, {}, false],
  [[1, [2]], [1, [2]], true],
  [[1], [1, 2], false],
  [{ a: 1, b: null }, { b: null, a: 1 }, true],
  [{ a: 1 }, { b: 1 }, false],
])("%j and %j: %s", (a, b, same) => {
  expect(isSame(a, b)).toBe(same);
});
