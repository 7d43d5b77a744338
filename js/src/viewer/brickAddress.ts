import type { Vec3 } from "../core/vec3.ts";

/** Voxels along each side of a brick, in its own mag. */
export const BRICK = 32;

export const BRICK_VOXELS = BRICK ** 3;

/** A brick of a layer: its mag as an index into the layer's mags, its place in bricks from voxel 0. */
export interface BrickAddress {
  readonly level: number;
  readonly brick: Vec3;
}

export function brickKey(level: number, x: number, y: number, z: number): string {
  return `${level}/${x},${y},${z}`;
}

export function keyOf({ level, brick }: BrickAddress): string {
  return brickKey(level, brick[0], brick[1], brick[2]);
}
