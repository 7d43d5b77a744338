import { Lru } from "../core/lru.ts";
import type { BrickResult } from "./types.ts";

// What a brick without voxels weighs: its key and bookkeeping.
const BOOKKEEPING = 200;

/** What is known about a brick. A failed one may be asked for again after `retryAt`. */
export type CachedBrick =
  | { readonly status: "ok"; readonly data: ArrayBuffer }
  | { readonly status: "missing" }
  | { readonly status: "failed"; readonly error: string; readonly retryAt: number };

/** The bricks of all layers in memory, within a budget of bytes. Keys name layer, coordinates and brick. */
export class BrickCache {
  private readonly bricks: Lru<string, CachedBrick>;

  constructor(bytes: number, isNeeded: (key: string) => boolean = () => false) {
    this.bricks = new Lru(bytes, isNeeded);
  }

  get bytes(): number {
    return this.bricks.weight;
  }

  get size(): number {
    return this.bricks.size;
  }

  get(key: string): CachedBrick | undefined {
    return this.bricks.get(key);
  }

  put(key: string, result: BrickResult, retryAt: number): void {
    const brick = result.status === "failed" ? { ...result, retryAt } : result;
    const bytes = result.status === "ok" ? result.data.byteLength : 0;
    this.bricks.set(key, brick, bytes + BOOKKEEPING);
  }

  clear(): void {
    this.bricks.clear();
  }
}
