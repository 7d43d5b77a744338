import { map3, type Vec3 } from "./vec3.ts";

/** A half-open box. */
export interface Box {
  readonly min: Vec3;
  readonly max: Vec3;
}

/** The box as datasets describe it. */
export interface BoundingBoxJson {
  topLeft: Vec3;
  width: number;
  height: number;
  depth: number;
}

export function boxFromJson(json: BoundingBoxJson): Box {
  const size: Vec3 = [json.width, json.height, json.depth];
  return { min: json.topLeft, max: map3((a) => json.topLeft[a] + size[a]) };
}

export function intersection(a: Box, b: Box): Box | null {
  const min = map3((axis) => Math.max(a.min[axis], b.min[axis]));
  const max = map3((axis) => Math.min(a.max[axis], b.max[axis]));
  return max.every((end, axis) => end > (min[axis] ?? 0)) ? { min, max } : null;
}

export function contains(box: Box, p: Vec3): boolean {
  return p.every((n, axis) => n >= (box.min[axis] ?? 0) && n < (box.max[axis] ?? 0));
}
