import { type Box, boxFromJson, contains } from "../core/box.ts";
import { map3, type Vec3 } from "../core/vec3.ts";
import { BRICK, brickKey } from "./brickAddress.ts";
import type { CachedBrick } from "./brickCache.ts";
import type { NeededBrick } from "./neededBricks.ts";
import type { LayerSpec, VoxelValue } from "./types.ts";
import { valueAt, valueRange, zeroOf } from "./voxels.ts";

/** How many bricks are looked at to find the range of values where none was given. */
const RANGE_BRICKS = 16;

// Every value of these may be expected; of wider types only a part is used.
const FULL_RANGES: Partial<Record<LayerSpec["dtype"], readonly [number, number]>> = {
  uint8: [0, 255],
  uint16: [0, 65535],
  int8: [-128, 127],
  int16: [-32768, 32767],
};

/** One layer as the present view needs it: which bricks, at which mag, and what is known of its values. */
export class LayerView {
  readonly box: Box;
  /** Index into the layer's mags. */
  level = 0;
  needed: readonly NeededBrick[] = [];
  prefetched: readonly NeededBrick[] = [];
  private low = Number.POSITIVE_INFINITY;
  private high = Number.NEGATIVE_INFINITY;
  private looked = 0;

  constructor(
    readonly spec: LayerSpec,
    private readonly find: (layer: LayerSpec, key: string) => CachedBrick | undefined,
  ) {
    this.box = boxFromJson(spec.boundingBox);
  }

  get mag(): Vec3 {
    return this.spec.mags[this.level] ?? [1, 1, 1];
  }

  brick(key: string): CachedBrick | undefined {
    return this.find(this.spec, key);
  }

  /** The window to draw with where the state names none. */
  get defaultRange(): readonly [number, number] {
    const full = FULL_RANGES[this.spec.dtype];
    if (full !== undefined) return full;
    return this.low <= this.high ? [this.low, this.high] : [0, 1];
  }

  /** Whether all that the view shows is known: here, never written, or failed. */
  get isComplete(): boolean {
    return this.needed.every(({ key }) => this.brick(key) !== undefined);
  }

  /** Take a new brick's values into account. */
  look(brick: CachedBrick | undefined): void {
    const isLearning = this.looked < RANGE_BRICKS && this.spec.category === "color";
    if (brick?.status !== "ok" || !isLearning || this.spec.dtype in FULL_RANGES) return;
    const [low, high] = valueRange(this.spec, brick.data);
    this.low = Math.min(this.low, low);
    this.high = Math.max(this.high, high);
    this.looked += 1;
  }

  /** The value at a whole mag-1 voxel, from the finest mag in memory; null where nothing is known. */
  valueAt(position: Vec3): { value: VoxelValue; mag: Vec3 } | null {
    if (!contains(this.box, position)) return null;
    for (const [level, mag] of this.spec.mags.entries()) {
      const voxel = map3((a) => Math.floor(position[a] / mag[a]));
      const [x, y, z] = map3((a) => Math.floor(voxel[a] / BRICK));
      const brick = this.brick(brickKey(level, x, y, z));
      if (brick?.status === "missing") return { value: zeroOf(this.spec), mag };
      if (brick?.status !== "ok") continue;
      const inside = map3((a) => voxel[a] & (BRICK - 1));
      return { value: valueAt(this.spec, brick.data, inside), mag };
    }
    return null;
  }
}
