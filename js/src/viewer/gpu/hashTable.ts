import type { Vec3 } from "../../core/vec3.ts";

/** Slots beyond these say why there are no voxels. */
export const SLOT_MISSING = 0xfffffe;
export const SLOT_FAILED = 0xfffffd;

/** How far a look-up goes on from where its key belongs. The table grows until all keys are that near. */
export const MAX_PROBES = 12;

const OCCUPIED = 0x80000000;

export interface TableEntry {
  level: number;
  brick: Vec3;
  slot: number;
}

/** Where a key belongs; the shader calculates the same (see `shaders.ts`). */
export function hashBrick(level: number, [x, y, z]: Vec3): number {
  let h = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d);
  h ^= Math.imul(level, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  return h >>> 0;
}

/**
 * A look-up table as a texture of four 32-bit words an entry: x, y, z, and a word of slot (24 bits),
 * level (7 bits) and a mark that the entry is taken.
 */
export function buildTable(entries: readonly TableEntry[]): Uint32Array {
  let size = 64;
  while (size < entries.length * 2) size *= 2;
  for (;;) {
    const table = fill(entries, size);
    if (table !== null) return table;
    size *= 2;
  }
}

function fill(entries: readonly TableEntry[], size: number): Uint32Array | null {
  const table = new Uint32Array(size * 4);
  for (const { level, brick, slot } of entries) {
    let at = hashBrick(level, brick) & (size - 1);
    let probes = 0;
    while (table[at * 4 + 3] !== 0) {
      at = (at + 1) & (size - 1);
      probes += 1;
      if (probes === MAX_PROBES) return null;
    }
    table[at * 4] = brick[0];
    table[at * 4 + 1] = brick[1];
    table[at * 4 + 2] = brick[2];
    table[at * 4 + 3] = (OCCUPIED | (level << 24) | slot) >>> 0;
  }
  return table;
}

/** What the shader finds; null where the key is not there. */
export function lookUp(table: Uint32Array, level: number, brick: Vec3): number | null {
  const mask = table.length / 4 - 1;
  let at = hashBrick(level, brick) & mask;
  for (let probes = 0; probes < MAX_PROBES; probes += 1) {
    const word = table[at * 4 + 3] as number;
    if (word === 0) return null;
    const same =
      (table[at * 4] as number) === brick[0] >>> 0 &&
      (table[at * 4 + 1] as number) === brick[1] >>> 0 &&
      (table[at * 4 + 2] as number) === brick[2] >>> 0;
    if (same && ((word >>> 24) & 0x7f) === level) return word & 0xffffff;
    at = (at + 1) & mask;
  }
  return null;
}
