import { boxFromJson } from "../core/box.ts";
import { map3, type Vec3 } from "../core/vec3.ts";
import type { LayerSpec, LayerState, Scene, StatePatch, ViewerState } from "./types.ts";

const OPACITY = { color: 100, segmentation: 20 } as const;

export function defaultLayerState({ category }: LayerSpec): LayerState {
  return {
    visible: true,
    opacity: OPACITY[category],
    color: [255, 255, 255],
    intensityRange: null,
    gamma: 1,
    inverted: false,
    interpolation: false,
  };
}

/** What is shown where nothing else is said: the middle of the scene, every layer. */
export function defaultState(scene: Scene): ViewerState {
  const box = boxFromJson(scene.boundingBox);
  return {
    position: map3((a) => Math.floor((box.min[a] + box.max[a]) / 2)),
    zoom: 1,
    layers: Object.fromEntries(scene.layers.map((layer) => [layer.name, defaultLayerState(layer)])),
    layerOrder: [],
    blendMode: "additive",
    renderMissingDataBlack: false,
    additionalCoordinates: Object.fromEntries(
      scene.layers.flatMap((layer) =>
        (layer.additionalAxes ?? []).map(({ name, bounds }) => [name, bounds[0]]),
      ),
    ),
  };
}

/** The state after a change. What is null, or no usable value, is left as it was; unknown layers are ignored. */
export function patched(state: ViewerState, patch: StatePatch): ViewerState {
  const layers = { ...state.layers };
  for (const [name, change] of Object.entries(patch.layers ?? {})) {
    const before = layers[name];
    if (before !== undefined && change) layers[name] = patchedLayer(before, change);
  }
  return {
    position: isVec3(patch.position) ? patch.position : state.position,
    zoom: isPositive(patch.zoom) ? patch.zoom : state.zoom,
    layers,
    layerOrder: patch.layerOrder ?? state.layerOrder,
    blendMode: patch.blendMode ?? state.blendMode,
    renderMissingDataBlack: patch.renderMissingDataBlack ?? state.renderMissingDataBlack,
    additionalCoordinates: { ...state.additionalCoordinates, ...patch.additionalCoordinates },
  };
}

function patchedLayer(before: LayerState, change: Partial<LayerState>): LayerState {
  const opacity = change.opacity;
  return {
    visible: change.visible ?? before.visible,
    opacity: isNumber(opacity) ? Math.min(Math.max(opacity, 0), 100) : before.opacity,
    color: isVec3(change.color) ? change.color : before.color,
    // Null is a value here: the range is then taken from the type or the data.
    intensityRange: isRange(change.intensityRange) ? change.intensityRange : before.intensityRange,
    gamma: isPositive(change.gamma) ? change.gamma : before.gamma,
    inverted: change.inverted ?? before.inverted,
    interpolation: change.interpolation ?? before.interpolation,
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isPositive(value: unknown): value is number {
  return isNumber(value) && value > 0;
}

function isVec3(value: unknown): value is Vec3 {
  return Array.isArray(value) && value.length === 3 && value.every(isNumber);
}

function isRange(value: unknown): value is readonly [number, number] | null {
  return value === null || (Array.isArray(value) && value.length === 2 && value.every(isNumber));
}
