import type { Vec3 } from "../../core/vec3.ts";

/** What an entry says of its brick. Zero marks an empty cell. */
export const STATUS = { ok: 1, missing: 2, failed: 3 } as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

export const MAX_LEVELS = 64;
export const MAX_SLOTS = 2 ** 24;

type Cell = [number, number, number, number];

const WORDS = 4;
const FIRST_SIZE = 256;
const MAX_KICKS = 64;

/** Words of an entry: x, y, z, and status (2 bits), level (6 bits), slot (24 bits). */
export interface Entry {
  level: number;
  brick: Vec3;
  status: Status;
  slot: number;
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 15);
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  h = Math.imul(h, 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/**
 * The two cells where a key may lie. The shader has the same (`shaders/lookup.glsl.ts`). The two hashes come from
 * the key by different ways, so that keys which collide in one do not in the other.
 */
export function cellsOf(level: number, [x, y, z]: Vec3, mask: number): [number, number] {
  const first =
    Math.imul(x, 0x9e3779b1) ^
    Math.imul(y, 0x85ebca77) ^
    Math.imul(z, 0xc2b2ae3d) ^
    Math.imul(level, 0x27d4eb2f);
  const second =
    Math.imul(x, 0x165667b1) +
    Math.imul(y, 0xd3a2646d) +
    Math.imul(z, 0xfd7046c5) +
    Math.imul(level, 0xb55a4f09);
  return [finish(first) & mask, finish(second | 0) & mask];
}

/**
 * A cuckoo hash table laid out as a texture: every key lies in one of two cells, so a shader needs at most two
 * fetches, also for what is not there. It doubles itself where keys find no place.
 */
export class LookupTable {
  private cells: Uint32Array;
  private mask: number;
  private count = 0;
  private changes = 0;

  constructor(size = FIRST_SIZE) {
    this.cells = new Uint32Array(size * WORDS);
    this.mask = size - 1;
  }

  get words(): Uint32Array {
    return this.cells;
  }

  /** Cells; a power of two. */
  get size(): number {
    return this.mask + 1;
  }

  get entries(): number {
    return this.count;
  }

  /** Grows with each change, so that one sees whether the texture is stale. */
  get version(): number {
    return this.changes;
  }

  set({ level, brick, status, slot }: Entry): void {
    const [x, y, z] = brick;
    const word = ((status << 30) | (level << 24) | slot) >>> 0;
    const cell = this.find(level, brick);
    this.changes += 1;
    if (cell !== -1) {
      this.cells[cell * WORDS + 3] = word;
      return;
    }
    this.count += 1;
    // Beyond half full, cuckoo hashing with two cells begins to fail.
    if (this.count * 2 > this.size) this.grow();
    this.insert([x >>> 0, y >>> 0, z >>> 0, word]);
  }

  delete(level: number, brick: Vec3): void {
    const cell = this.find(level, brick);
    if (cell === -1) return;
    this.cells.fill(0, cell * WORDS, cell * WORDS + WORDS);
    this.count -= 1;
    this.changes += 1;
  }

  /** As the shader does it. */
  get(level: number, brick: Vec3): { status: Status; slot: number } | null {
    const cell = this.find(level, brick);
    if (cell === -1) return null;
    const word = this.cells[cell * WORDS + 3] as number;
    return { status: (word >>> 30) as Status, slot: word & 0xffffff };
  }

  clear(): void {
    this.cells.fill(0);
    this.count = 0;
    this.changes += 1;
  }

  private find(level: number, brick: Vec3): number {
    const { cells } = this;
    const [x, y, z] = brick;
    for (const cell of cellsOf(level, brick, this.mask)) {
      const at = cell * WORDS;
      const word = cells[at + 3] as number;
      const isHere =
        word !== 0 &&
        ((word >>> 24) & 63) === level &&
        cells[at] === x >>> 0 &&
        cells[at + 1] === y >>> 0 &&
        cells[at + 2] === z >>> 0;
      if (isHere) return cell;
    }
    return -1;
  }

  private insert(entry: Cell): void {
    let homeless: Cell | null = entry;
    for (;;) {
      homeless = this.place(homeless);
      if (homeless === null) return;
      this.grow();
    }
  }

  /** Put an entry down, moving others to their second cell; gives what found no place. */
  private place(entry: Cell): Cell | null {
    let homeless = entry;
    let from = -1;
    for (let kick = 0; kick < MAX_KICKS; kick += 1) {
      const [x, y, z, word] = homeless;
      const [first, second] = cellsOf((word >>> 24) & 63, [x, y, z], this.mask);
      let cell = first === from ? second : first;
      if (!this.isEmpty(cell) && this.isEmpty(second)) cell = second;
      const at = cell * WORDS;
      const evicted = [...this.cells.subarray(at, at + WORDS)] as Cell;
      this.cells.set(homeless, at);
      if (evicted[3] === 0) return null;
      homeless = evicted;
      from = cell;
    }
    return homeless;
  }

  private isEmpty(cell: number): boolean {
    return this.cells[cell * WORDS + 3] === 0;
  }

  private grow(): void {
    const old = this.cells;
    this.mask = this.size * 2 - 1;
    this.cells = new Uint32Array(this.size * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 3] !== 0) this.insert([...old.subarray(at, at + WORDS)] as Cell);
    }
  }
}
