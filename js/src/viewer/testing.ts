import { map3, type Vec3 } from "../core/vec3.ts";
import { BRICK, BRICK_VOXELS } from "./brickAddress.ts";
import type { BrickRequest, BrickResult, BrickSource, DType, LayerSpec, Scene } from "./types.ts";

/** A voxel's channels, given its place in its own mag. */
export type VoxelFn = (voxel: Vec3, mag: Vec3, layer: LayerSpec) => readonly (number | bigint)[];

const ARRAYS = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

export function brickData(layer: LayerSpec, mag: Vec3, brick: Vec3, voxel: VoxelFn): ArrayBuffer {
  const items = new ARRAYS[layer.dtype](BRICK_VOXELS * layer.numChannels);
  let at = 0;
  for (let i = 0; i < BRICK_VOXELS; i += 1) {
    const inside: Vec3 = [i & 31, (i >> 5) & 31, i >> 10];
    for (const value of voxel(
      map3((a) => brick[a] * BRICK + inside[a]),
      mag,
      layer,
    )) {
      items[at] = value as never;
      at += 1;
    }
  }
  return items.buffer;
}

/** Bricks made by a function, for tests. `special` may answer for a brick itself, or never answer. */
export class SyntheticSource implements BrickSource {
  readonly requested: { layer: string; requests: BrickRequest[] }[] = [];
  aborted = 0;

  constructor(
    private readonly layers: readonly LayerSpec[],
    private readonly voxel: VoxelFn,
    private readonly special: (
      request: BrickRequest,
      layer: string,
    ) => BrickResult | "never" | null = () => null,
  ) {}

  fetch(layer: string, requests: BrickRequest[], signal: AbortSignal): Promise<BrickResult[]> {
    this.requested.push({ layer, requests });
    const spec = this.layers.find(({ name }) => name === layer) as LayerSpec;
    const results = requests.map((request) => {
      const special = this.special(request, layer);
      if (special !== null) return special;
      return {
        status: "ok" as const,
        data: brickData(spec, request.mag, request.brick, this.voxel),
      };
    });
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => {
        this.aborted += 1;
        reject(signal.reason);
      });
      if (!results.includes("never")) resolve(results as BrickResult[]);
    });
  }
}

export function layerSpec(dtype: DType, change: Partial<LayerSpec> = {}): LayerSpec {
  return {
    name: "layer",
    category: "color",
    elementClass: dtype,
    dtype,
    numChannels: 1,
    boundingBox: { topLeft: [0, 0, 0], width: 64, height: 64, depth: 64 },
    mags: [[1, 1, 1]],
    ...change,
  };
}

export function sceneOf(layers: readonly LayerSpec[], factor: Vec3 = [1, 1, 1]): Scene {
  const [first] = layers;
  if (first === undefined) throw new Error("a scene has layers");
  return {
    name: "test",
    voxelSize: { factor, unit: "nanometer" },
    boundingBox: first.boundingBox,
    layers: [...layers],
  };
}
