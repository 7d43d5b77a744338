/** Three numbers along x, y, z. */
export type Vec3 = readonly [number, number, number];

export type Axis = 0 | 1 | 2;

export const AXES: readonly Axis[] = [0, 1, 2];

/** Apply a function to each axis. */
export function map3(fn: (axis: Axis) => number): Vec3 {
  return [fn(0), fn(1), fn(2)];
}

/** A copy of `v` with one axis changed. */
export function withAxis(v: Vec3, axis: Axis, value: number): Vec3 {
  return map3((a) => (a === axis ? value : v[a]));
}

export function equal3(a: Vec3, b: Vec3): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2];
}
