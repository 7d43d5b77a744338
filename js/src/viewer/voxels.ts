import type { Vec3 } from "../core/vec3.ts";
import type { DType, LayerSpec, VoxelValue } from "./types.ts";
import { BRICK } from "./visibleBricks.ts";

/** What a brick of a layer looks like in a texture, and how its shader reads it. */
export interface TextureKind {
  internalFormat:
    | "R8UI"
    | "R16UI"
    | "R32UI"
    | "RG32UI"
    | "R8I"
    | "R16I"
    | "R32I"
    | "R32F"
    | "RGBA8UI";
  sampler: "usampler3D" | "isampler3D" | "sampler3D";
  /** Bytes of one texel. */
  bytes: number;
  isRgb: boolean;
  is64: boolean;
}

const KINDS: Record<DType, Omit<TextureKind, "isRgb">> = {
  uint8: { internalFormat: "R8UI", sampler: "usampler3D", bytes: 1, is64: false },
  uint16: { internalFormat: "R16UI", sampler: "usampler3D", bytes: 2, is64: false },
  uint32: { internalFormat: "R32UI", sampler: "usampler3D", bytes: 4, is64: false },
  uint64: { internalFormat: "RG32UI", sampler: "usampler3D", bytes: 8, is64: true },
  int8: { internalFormat: "R8I", sampler: "isampler3D", bytes: 1, is64: false },
  int16: { internalFormat: "R16I", sampler: "isampler3D", bytes: 2, is64: false },
  int32: { internalFormat: "R32I", sampler: "isampler3D", bytes: 4, is64: false },
  int64: { internalFormat: "RG32UI", sampler: "usampler3D", bytes: 8, is64: true },
  float32: { internalFormat: "R32F", sampler: "sampler3D", bytes: 4, is64: false },
  float64: { internalFormat: "R32F", sampler: "sampler3D", bytes: 4, is64: false },
};

const ITEM_BYTES: Record<DType, number> = {
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float32: 4,
  float64: 8,
};

const VOXELS = BRICK ** 3;

export function isRgb(layer: LayerSpec): boolean {
  return layer.category === "color" && layer.dtype === "uint8" && layer.numChannels === 3;
}

export function textureKind(layer: LayerSpec): TextureKind {
  if (isRgb(layer)) {
    return { internalFormat: "RGBA8UI", sampler: "usampler3D", bytes: 4, isRgb: true, is64: false };
  }
  return { ...KINDS[layer.dtype], isRgb: false };
}

export function brickBytes(layer: LayerSpec): number {
  return VOXELS * ITEM_BYTES[layer.dtype] * layer.numChannels;
}

export type Texels =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array;

/** Turn a brick's bytes into texels. Of several channels that are no colour, the first is shown. */
export function toTexels(layer: LayerSpec, data: ArrayBuffer): Texels {
  if (isRgb(layer)) return padRgb(new Uint8Array(data));
  const bytes = layer.numChannels === 1 ? data : firstChannel(layer, data);
  switch (layer.dtype) {
    case "uint8":
      return new Uint8Array(bytes);
    case "uint16":
      return new Uint16Array(bytes);
    case "uint32":
    case "uint64":
    case "int64":
      return new Uint32Array(bytes);
    case "int8":
      return new Int8Array(bytes);
    case "int16":
      return new Int16Array(bytes);
    case "int32":
      return new Int32Array(bytes);
    case "float32":
      return new Float32Array(bytes);
    case "float64":
      return Float32Array.from(new Float64Array(bytes));
  }
}

function padRgb(source: Uint8Array): Uint8Array {
  const target = new Uint8Array(VOXELS * 4);
  for (let i = 0, j = 0; i < source.length; i += 3, j += 4) {
    target[j] = source[i] as number;
    target[j + 1] = source[i + 1] as number;
    target[j + 2] = source[i + 2] as number;
    target[j + 3] = 255;
  }
  return target;
}

function firstChannel(layer: LayerSpec, data: ArrayBuffer): ArrayBuffer {
  const size = ITEM_BYTES[layer.dtype];
  const stride = size * layer.numChannels;
  const source = new Uint8Array(data);
  const target = new Uint8Array(VOXELS * size);
  for (let i = 0; i < VOXELS; i += 1) {
    for (let b = 0; b < size; b += 1) target[i * size + b] = source[i * stride + b] as number;
  }
  return target.buffer;
}

/** The value of one voxel of a brick; `at` counts within the brick. */
export function valueAt(layer: LayerSpec, data: ArrayBuffer, at: Vec3): VoxelValue {
  const index = at[0] + BRICK * (at[1] + BRICK * at[2]);
  const view = new DataView(data);
  const size = ITEM_BYTES[layer.dtype];
  const read = (channel: number): number | bigint => {
    const offset = (index * layer.numChannels + channel) * size;
    switch (layer.dtype) {
      case "uint8":
        return view.getUint8(offset);
      case "uint16":
        return view.getUint16(offset, true);
      case "uint32":
        return view.getUint32(offset, true);
      case "uint64":
        return view.getBigUint64(offset, true);
      case "int8":
        return view.getInt8(offset);
      case "int16":
        return view.getInt16(offset, true);
      case "int32":
        return view.getInt32(offset, true);
      case "int64":
        return view.getBigInt64(offset, true);
      case "float32":
        return view.getFloat32(offset, true);
      case "float64":
        return view.getFloat64(offset, true);
    }
  };
  if (layer.numChannels === 1) return read(0);
  return Array.from({ length: layer.numChannels }, (_, channel) => Number(read(channel)));
}
