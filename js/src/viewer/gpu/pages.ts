import { map3, type Vec3 } from "../../core/vec3.ts";
import { BRICK, brickKey } from "../brickAddress.ts";
import { FALLBACK_MAGS, type NeededBrick } from "../neededBricks.ts";

/**
 * A word of a page, for one brick of the wanted level: where to read its voxels, and what is known of itself.
 * The shader has the same (`shaders/pages.glsl.ts`).
 */
export const PAGE = {
  slotBits: 20,
  /** How many levels coarser the voxels are that stand in. */
  levelBits: 2,
  hasVoxels: 1 << 24,
  isMissing: 1 << 25,
  hasFailed: 1 << 26,
} as const;

/** What a page is made from. */
export interface Residents {
  /** The slot of a brick that is on the GPU. */
  slotOf(key: string): number | undefined;
  isMissing(key: string): boolean;
  hasFailed(key: string): boolean;
}

/** A box of pages: the bricks of the wanted level that a view needs, and whatever lies between them. */
export interface PageBox {
  readonly min: Vec3;
  readonly size: Vec3;
  /** x fastest. 0: nothing is known. */
  readonly words: Uint32Array;
}

export const NO_PAGES: PageBox = { min: [0, 0, 0], size: [1, 1, 1], words: new Uint32Array(1) };

/** Work out, for each brick of the wanted level, which brick on the GPU is drawn in its place. */
export function makePages(
  needed: readonly NeededBrick[],
  level: number,
  mags: readonly Vec3[],
  residents: Residents,
): PageBox {
  const wanted = needed.filter((brick) => brick.level === level);
  if (wanted.length === 0) return NO_PAGES;
  const min = map3((a) => least(wanted, (b) => b.brick[a]));
  const size = map3((a) => 1 - least(wanted, (b) => -b.brick[a]) - min[a]);
  const words = new Uint32Array(size[0] * size[1] * size[2]);
  for (const needed of wanted) {
    const [x, y, z] = map3((a) => needed.brick[a] - min[a]);
    words[x + size[0] * (y + size[1] * z)] = pageOf(needed, mags, residents);
  }
  return { min, size, words };
}

function least(bricks: readonly NeededBrick[], value: (brick: NeededBrick) => number): number {
  return bricks.reduce((low, brick) => Math.min(low, value(brick)), Number.POSITIVE_INFINITY);
}

function pageOf(
  { key, level, brick }: NeededBrick,
  mags: readonly Vec3[],
  residents: Residents,
): number {
  const own = residents.slotOf(key);
  if (own !== undefined) return PAGE.hasVoxels | own;
  let word = residents.isMissing(key) ? PAGE.isMissing : 0;
  if (residents.hasFailed(key)) word = PAGE.hasFailed;
  for (let up = 1; up <= FALLBACK_MAGS && level + up < mags.length; up += 1) {
    const parent = parentOf(brick, mags[level] as Vec3, mags[level + up] as Vec3);
    if (parent === null) continue;
    const slot = residents.slotOf(brickKey(level + up, ...parent));
    if (slot !== undefined) return word | PAGE.hasVoxels | (up << PAGE.slotBits) | slot;
  }
  return word;
}

/** The coarser brick in which a brick lies; null where it lies in several (mags that don't nest). */
export function parentOf(brick: Vec3, mag: Vec3, coarser: Vec3): Vec3 | null {
  const first = map3((a) => Math.floor((brick[a] * mag[a]) / coarser[a]));
  const last = map3((a) =>
    Math.floor(((brick[a] + 1) * BRICK * mag[a] - 1) / (coarser[a] * BRICK)),
  );
  return first.every((n, a) => n === last[a]) ? first : null;
}
