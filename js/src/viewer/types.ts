import type { BoundingBoxJson } from "../core/box.ts";
import type { Vec3 } from "../core/vec3.ts";

export type DType =
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "float32"
  | "float64";

export interface AxisSpec {
  name: string;
  bounds: [number, number];
}

/** A layer as its dataset describes it. Mags are finest first. */
export interface LayerSpec {
  name: string;
  category: "color" | "segmentation";
  elementClass: string;
  dtype: DType;
  numChannels: number;
  boundingBox: BoundingBoxJson;
  mags: Vec3[];
  additionalAxes?: AxisSpec[];
  largestSegmentId?: string;
}

export interface Scene {
  name: string;
  voxelSize: { factor: Vec3; unit: string };
  boundingBox: BoundingBoxJson;
  layers: LayerSpec[];
}

/** How a layer is shown. `opacity` is 0 to 100, `color` 0 to 255. */
export interface LayerState {
  visible: boolean;
  opacity: number;
  color: Vec3;
  intensityRange: readonly [number, number] | null;
  gamma: number;
  inverted: boolean;
  interpolation: boolean;
}

export type BlendMode = "additive" | "cover";

/** `position` is in mag-1 voxels, `zoom` in mag-1 voxels of the finest axis per CSS pixel. */
export interface ViewerState {
  position: Vec3;
  zoom: number;
  layers: Record<string, LayerState>;
  /** Names from top to bottom, for the blend mode "cover"; layers that are not named lie below. */
  layerOrder: readonly string[];
  blendMode: BlendMode;
  renderMissingDataBlack: boolean;
  additionalCoordinates: Record<string, number>;
}

export type StatePatch = Partial<Omit<ViewerState, "layers">> & {
  layers?: Record<string, Partial<LayerState>>;
};

export interface BrickRequest {
  mag: Vec3;
  brick: Vec3;
}

export type BrickResult =
  | { status: "ok"; data: ArrayBuffer }
  | { status: "missing" }
  | { status: "failed"; error: string };

/** Where bricks of 32³ voxels come from: raw, little-endian, channels fastest, then x, y, z. */
export interface BrickSource {
  fetch(
    layer: string,
    requests: BrickRequest[],
    signal: AbortSignal,
    additional: Record<string, number>,
  ): Promise<BrickResult[]>;
}

/** Ids of 64 bits are bigints; null: nothing is known there. */
export type VoxelValue = number | bigint | readonly number[];

/** What lies under the pointer: a whole mag-1 voxel, and per visible layer its value and where that was read. */
export interface Hover {
  plane: "xy" | "yz" | "xz";
  position: Vec3;
  values: Record<string, VoxelValue | null>;
  mags: Record<string, Vec3>;
}

/**
 * `state` tells changes made by the user, not those made through `setState`. `error` is an empty string
 * when what was wrong is over. `contextlost` is true when the GPU went away, false when it is back.
 */
export interface ViewerEvents {
  state: ViewerState;
  hover: Hover | null;
  loading: boolean;
  error: string;
  contextlost: boolean;
}

export interface ViewerOptions {
  scene: Scene;
  source: BrickSource;
  state?: StatePatch;
  /** The same as listening to `state`. */
  onChange?: (state: ViewerState) => void;
}

export interface ViewerHandle {
  setState(patch: StatePatch): void;
  getState(): ViewerState;
  on<K extends keyof ViewerEvents>(event: K, fn: (value: ViewerEvents[K]) => void): () => void;
  /** The panels as they are drawn now, for tests and pictures. Row 0 is the top. */
  readPixels(): { width: number; height: number; data: Uint8Array };
  /** Resolves when everything that is in view has been drawn. */
  settled(): Promise<void>;
  /** Lay out anew for the element's present size; happens by itself when the element changes. */
  resize(): void;
  destroy(): void;
}
