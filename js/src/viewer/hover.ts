import { equal3, map3, type Vec3 } from "../core/vec3.ts";
import type { LayerView } from "./layerView.ts";
import type { Plane } from "./planes.ts";
import { isShown } from "./streamer.ts";
import type { Hover, ViewerState, VoxelValue } from "./types.ts";

/** What the visible layers have at a point in mag-1 voxels. */
export function hoverAt(
  plane: Plane,
  point: Vec3,
  layers: readonly LayerView[],
  state: ViewerState,
): Hover {
  const position = map3((a) => Math.floor(point[a]));
  const values: Record<string, VoxelValue | null> = {};
  const mags: Record<string, Vec3> = {};
  for (const layer of layers) {
    const { name } = layer.spec;
    if (!isShown(state.layers[name])) continue;
    const found = layer.valueAt(position);
    values[name] = found?.value ?? null;
    if (found !== null) mags[name] = found.mag;
  }
  return { plane: plane.id, position, values, mags };
}

/** The segments under the pointer, as unsigned ids; layers with none, or 0, left out. */
export function hoveredSegments(
  hover: Hover | null,
  layers: readonly LayerView[],
): Map<string, bigint> {
  const ids = new Map<string, bigint>();
  for (const { spec } of layers) {
    const value = hover?.values[spec.name];
    if (spec.category !== "segmentation" || value === undefined || value === null) continue;
    const id = segmentId(value, spec.dtype);
    if (id !== 0n) ids.set(spec.name, id);
  }
  return ids;
}

function segmentId(value: VoxelValue, dtype: string): bigint {
  if (typeof value === "bigint") return BigInt.asUintN(64, value);
  const number = typeof value === "number" ? value : (value[0] ?? 0);
  // The shader takes the bits of a signed id as an unsigned one of the same width.
  return BigInt.asUintN(Number(dtype.replace(/\D/g, "")), BigInt(Math.trunc(number)));
}

export function sameSegments(
  a: ReadonlyMap<string, bigint>,
  b: ReadonlyMap<string, bigint>,
): boolean {
  return a.size === b.size && [...a].every(([name, id]) => b.get(name) === id);
}

/** A value in words; null is unknown. */
export function valueText(value: VoxelValue | null): string {
  if (value === null) return "…";
  if (typeof value === "object") return value.map((n) => valueText(n)).join(" ");
  if (typeof value === "bigint" || Number.isInteger(value)) return String(value);
  return Number.isFinite(value) ? String(Number(value.toPrecision(5))) : String(value);
}

export function sameHover(a: Hover | null, b: Hover | null): boolean {
  if (a === null || b === null) return a === b;
  const names = Object.keys(a.values);
  return (
    a.plane === b.plane &&
    equal3(a.position, b.position) &&
    names.length === Object.keys(b.values).length &&
    names.every((name) => String(a.values[name]) === String(b.values[name]))
  );
}
