import type { Vec3 } from "../core/vec3.ts";
import { BRICK, BRICK_VOXELS } from "./brickAddress.ts";
import type { DType, LayerSpec, VoxelValue } from "./types.ts";

/** What a brick of a layer looks like in a texture, and how its shader reads it. */
export interface TextureKind {
  internalFormat: keyof typeof FORMATS;
  sampler: "usampler3D" | "isampler3D" | "sampler3D";
  /** Bytes of one texel. */
  bytes: number;
  isRgb: boolean;
  is64: boolean;
  isSigned: boolean;
}

/** The formats and types of WebGL 2 for each kind of texel. */
export const FORMATS = {
  R8UI: ["RED_INTEGER", "UNSIGNED_BYTE"],
  R16UI: ["RED_INTEGER", "UNSIGNED_SHORT"],
  R32UI: ["RED_INTEGER", "UNSIGNED_INT"],
  RG32UI: ["RG_INTEGER", "UNSIGNED_INT"],
  R8I: ["RED_INTEGER", "BYTE"],
  R16I: ["RED_INTEGER", "SHORT"],
  R32I: ["RED_INTEGER", "INT"],
  R32F: ["RED", "FLOAT"],
  RGBA8UI: ["RGBA_INTEGER", "UNSIGNED_BYTE"],
  RGBA16UI: ["RGBA_INTEGER", "UNSIGNED_SHORT"],
  RGBA32UI: ["RGBA_INTEGER", "UNSIGNED_INT"],
  RGBA8I: ["RGBA_INTEGER", "BYTE"],
  RGBA16I: ["RGBA_INTEGER", "SHORT"],
  RGBA32I: ["RGBA_INTEGER", "INT"],
} as const;

type Texels =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>;

const UINT = { sampler: "usampler3D", is64: false, isSigned: false } as const;
const INT = { sampler: "isampler3D", is64: false, isSigned: true } as const;
const FLOAT = {
  internalFormat: "R32F",
  sampler: "sampler3D",
  is64: false,
  isSigned: true,
} as const;

const KINDS: Record<DType, Omit<TextureKind, "isRgb">> = {
  uint8: { ...UINT, internalFormat: "R8UI", bytes: 1 },
  uint16: { ...UINT, internalFormat: "R16UI", bytes: 2 },
  uint32: { ...UINT, internalFormat: "R32UI", bytes: 4 },
  uint64: { ...UINT, internalFormat: "RG32UI", bytes: 8, is64: true },
  int8: { ...INT, internalFormat: "R8I", bytes: 1 },
  int16: { ...INT, internalFormat: "R16I", bytes: 2 },
  int32: { ...INT, internalFormat: "R32I", bytes: 4 },
  int64: { ...UINT, internalFormat: "RG32UI", bytes: 8, is64: true, isSigned: true },
  float32: { ...FLOAT, bytes: 4 },
  float64: { ...FLOAT, bytes: 4 },
};

// WebGL 2 can't render to textures of three channels, and uploads of three bytes a texel are slow.
const RGB_FORMATS: Partial<Record<DType, TextureKind["internalFormat"]>> = {
  uint8: "RGBA8UI",
  uint16: "RGBA16UI",
  uint32: "RGBA32UI",
  int8: "RGBA8I",
  int16: "RGBA16I",
  int32: "RGBA32I",
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

/** Colour layers of three channels are RGB. Of other layers with several channels the first is shown. */
export function isRgb(layer: LayerSpec): boolean {
  return layer.category === "color" && layer.numChannels === 3 && layer.dtype in RGB_FORMATS;
}

export function textureKind(layer: LayerSpec): TextureKind {
  const kind = { ...KINDS[layer.dtype], isRgb: isRgb(layer) };
  if (!kind.isRgb) return kind;
  const internalFormat = RGB_FORMATS[layer.dtype] ?? kind.internalFormat;
  return { ...kind, internalFormat, bytes: kind.bytes * 4 };
}

export function brickBytes(layer: LayerSpec): number {
  return BRICK_VOXELS * ITEM_BYTES[layer.dtype] * layer.numChannels;
}

/** Turn a brick's bytes into texels, without copying where they lie as the texture wants them. */
export function toTexels(layer: LayerSpec, data: ArrayBuffer): Texels {
  const items = itemsOf(layer.dtype, data);
  if (isRgb(layer)) return padded(items);
  const first = layer.numChannels === 1 ? items : everyNth(layer, items);
  if (first instanceof Float64Array) return Float32Array.from(first);
  return first;
}

function itemsOf(dtype: DType, data: ArrayBuffer): Texels | Float64Array<ArrayBuffer> {
  switch (dtype) {
    case "uint8":
      return new Uint8Array(data);
    case "uint16":
      return new Uint16Array(data);
    case "uint32":
    case "uint64":
    case "int64":
      return new Uint32Array(data); // 64 bits are two words, the low one first
    case "int8":
      return new Int8Array(data);
    case "int16":
      return new Int16Array(data);
    case "int32":
      return new Int32Array(data);
    case "float32":
      return new Float32Array(data);
    case "float64":
      return new Float64Array(data);
  }
}

type Items = ReturnType<typeof itemsOf>;

function sameKind<T extends Items>(items: T, length: number): T {
  return new (items.constructor as new (length: number) => T)(length);
}

function padded(items: Items): Texels {
  const target = sameKind(items as Uint8Array<ArrayBuffer>, BRICK_VOXELS * 4);
  for (let from = 0, to = 0; to < target.length; from += 3, to += 4) {
    target[to] = items[from] as number;
    target[to + 1] = items[from + 1] as number;
    target[to + 2] = items[from + 2] as number;
  }
  return target;
}

function everyNth<T extends Items>(layer: LayerSpec, items: T): T {
  const words = KINDS[layer.dtype].is64 ? 2 : 1;
  const stride = layer.numChannels * words;
  const target = sameKind(items, BRICK_VOXELS * words);
  for (let from = 0, to = 0; to < target.length; from += stride, to += words) {
    for (let word = 0; word < words; word += 1) target[to + word] = items[from + word] as number;
  }
  return target;
}

/** The least and greatest value among some of a brick's voxels, of the channels that are drawn. */
export function valueRange(layer: LayerSpec, data: ArrayBuffer): [number, number] {
  const view = new DataView(data);
  const item = ITEM_BYTES[layer.dtype];
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  // A step that is coprime to the sides of a brick meets all parts of it.
  for (let voxel = 0; voxel < BRICK_VOXELS; voxel += 13) {
    const value = Number(readItem(view, layer.dtype, voxel * layer.numChannels * item));
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function readItem(view: DataView, dtype: DType, offset: number): number | bigint {
  switch (dtype) {
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
}

/** The value of one voxel of a brick; `at` counts within the brick. */
export function valueAt(layer: LayerSpec, data: ArrayBuffer, at: Vec3): VoxelValue {
  const index = (at[0] + BRICK * (at[1] + BRICK * at[2])) * layer.numChannels;
  const view = new DataView(data);
  const item = ITEM_BYTES[layer.dtype];
  const read = (channel: number) => readItem(view, layer.dtype, (index + channel) * item);
  if (layer.numChannels === 1) return read(0);
  return Array.from({ length: layer.numChannels }, (_, channel) => Number(read(channel)));
}

/** The value of voxels that were never written. */
export function zeroOf(layer: LayerSpec): VoxelValue {
  if (layer.numChannels > 1) return Array.from({ length: layer.numChannels }, () => 0);
  return layer.dtype.endsWith("int64") ? 0n : 0;
}
