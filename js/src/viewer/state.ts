import { boxFromJson } from "../core/box.ts";
import { map3 } from "../core/vec3.ts";
import type { LayerSpec, LayerState, Scene, StatePatch, ViewerState } from "./types.ts";

export const MIN_ZOOM = 0.005;
export const MAX_ZOOM = 10_000;

const RANGES: Record<string, readonly [number, number]> = {
  uint8: [0, 255],
  uint16: [0, 65535],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, 2 ** 64],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63],
  float32: [0, 1],
  float64: [0, 1],
};

export function defaultLayerState(layer: LayerSpec): LayerState {
  const isColor = layer.category === "color";
  return {
    visible: true,
    opacity: isColor ? 100 : 20,
    color: [255, 255, 255],
    intensityRange: isColor ? (RANGES[layer.dtype] ?? [0, 255]) : null,
    gamma: 1,
    inverted: false,
    interpolation: false,
  };
}

export function defaultState(scene: Scene): ViewerState {
  const box = boxFromJson(scene.boundingBox);
  return {
    position: map3((a) => Math.floor((box.min[a] + box.max[a]) / 2)),
    zoom: 1,
    layers: Object.fromEntries(scene.layers.map((layer) => [layer.name, defaultLayerState(layer)])),
    blendMode: "additive",
    renderMissingDataBlack: false,
    additionalCoordinates: Object.fromEntries(
      scene.layers.flatMap((layer) =>
        (layer.additionalAxes ?? []).map(({ name, bounds }) => [name, bounds[0]]),
      ),
    ),
  };
}

/** The state after a change; what is not a usable number is left as it was. */
export function patched(state: ViewerState, patch: StatePatch): ViewerState {
  const { layers, ...rest } = patch;
  const next: ViewerState = { ...state, ...rest };
  if (next.position.length !== 3 || !next.position.every(Number.isFinite)) {
    next.position = state.position;
  }
  if (!Number.isFinite(next.zoom) || next.zoom <= 0) next.zoom = state.zoom;
  next.zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, next.zoom));
  if (layers !== undefined) {
    next.layers = { ...state.layers };
    for (const [name, change] of Object.entries(layers)) {
      const before = state.layers[name];
      if (before !== undefined) next.layers[name] = { ...before, ...change };
    }
  }
  return next;
}
