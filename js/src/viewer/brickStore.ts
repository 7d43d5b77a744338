import type { Vec3 } from "../core/vec3.ts";
import type { BrickResult, BrickSource, LayerSpec } from "./types.ts";
import type { WantedBrick } from "./visibleBricks.ts";

export interface Brick {
  readonly level: number;
  readonly brick: Vec3;
  /** Grows by one with each change of what is known about it. */
  state: "wanted" | "loading" | "ok" | "missing" | "failed";
  data: ArrayBuffer | null;
  /** The frame in which it was last wanted. */
  seen: number;
  attempts: number;
  retryAt: number;
}

export interface StoreLimits {
  /** Bytes of voxels kept beyond what is in view. */
  bytes: number;
  requests: number;
  firstBatch: number;
  batch: number;
}

export const DEFAULT_LIMITS: StoreLimits = {
  bytes: 256 * 2 ** 20,
  requests: 4,
  firstBatch: 8,
  batch: 32,
};

const MAX_ATTEMPTS = 5;
const RETRY_MS = 250;

interface Batch {
  bricks: Brick[];
  abort: AbortController;
}

/**
 * The bricks of one layer in memory: asks for what is wanted, coarse first, in a few batches at a time;
 * gives up what left the view; forgets what was not wanted for longest.
 */
export class BrickStore {
  readonly bricks = new Map<string, Brick>();
  private readonly batches = new Set<Batch>();
  private queue: Brick[] = [];
  private frame = 0;
  private bytes = 0;
  private isFirst = true;
  private closed = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private lastError = "";

  constructor(
    private readonly layer: LayerSpec,
    private readonly source: BrickSource,
    private readonly additional: () => Record<string, number>,
    private readonly changed: () => void,
    private readonly limits: StoreLimits = DEFAULT_LIMITS,
  ) {}

  /** The reason why the last failed brick failed, empty when none did. */
  get error(): string {
    return this.lastError;
  }

  get isLoading(): boolean {
    return this.batches.size > 0 || this.queue.length > 0 || this.timer !== null;
  }

  static key(level: number, brick: Vec3): string {
    return `${level}/${brick[0]},${brick[1]},${brick[2]}`;
  }

  get(level: number, brick: Vec3): Brick | undefined {
    return this.bricks.get(BrickStore.key(level, brick));
  }

  /** Say what is needed now, most urgent first. */
  want(wanted: readonly WantedBrick[]): void {
    this.frame += 1;
    const queue: Brick[] = [];
    const now = performance.now();
    let waitUntil = Number.POSITIVE_INFINITY;
    for (const { level, brick } of wanted) {
      const entry = this.touch(level, brick);
      if (entry.state !== "wanted") continue;
      if (entry.retryAt <= now) queue.push(entry);
      else waitUntil = Math.min(waitUntil, entry.retryAt);
    }
    this.queue = queue;
    for (const batch of this.batches) {
      if (batch.bricks.every((brick) => brick.seen !== this.frame)) this.cancel(batch);
    }
    this.schedule(waitUntil - now);
    this.pump();
    this.evict();
  }

  /** Drop everything, for a change of what the bricks show (another point in time). */
  clear(): void {
    for (const batch of this.batches) this.cancel(batch);
    this.bricks.clear();
    this.queue = [];
    this.bytes = 0;
    this.isFirst = true;
    this.lastError = "";
  }

  close(): void {
    this.closed = true;
    this.clear();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private touch(level: number, brick: Vec3): Brick {
    const key = BrickStore.key(level, brick);
    let entry = this.bricks.get(key);
    if (entry === undefined) {
      entry = { level, brick, state: "wanted", data: null, seen: 0, attempts: 0, retryAt: 0 };
    } else {
      this.bricks.delete(key); // re-inserted below: the map is ordered by last use
    }
    this.bricks.set(key, entry);
    entry.seen = this.frame;
    return entry;
  }

  private schedule(ms: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (!Number.isFinite(ms) || this.closed) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.changed();
    }, ms);
  }

  private pump(): void {
    while (this.batches.size < this.limits.requests && this.queue.length > 0) {
      const size = this.isFirst ? this.limits.firstBatch : this.limits.batch;
      this.isFirst = false;
      void this.load(this.queue.splice(0, size));
    }
  }

  private async load(bricks: Brick[]): Promise<void> {
    const batch: Batch = { bricks, abort: new AbortController() };
    this.batches.add(batch);
    for (const brick of bricks) brick.state = "loading";
    const requests = bricks.map(({ level, brick }) => ({
      mag: this.layer.mags[level] as Vec3,
      brick,
    }));
    try {
      const results = await this.source.fetch(
        this.layer.name,
        requests,
        batch.abort.signal,
        this.additional(),
      );
      if (batch.abort.signal.aborted) return;
      bricks.forEach((brick, i) => {
        this.arrive(brick, results[i] ?? { status: "failed", error: "the answer was too short" });
      });
    } catch (error) {
      if (batch.abort.signal.aborted) return;
      for (const brick of bricks) this.postpone(brick, error);
    } finally {
      this.batches.delete(batch);
      if (!this.closed) {
        this.pump();
        this.changed();
      }
    }
  }

  private arrive(brick: Brick, result: BrickResult): void {
    brick.state = result.status;
    if (result.status === "ok") {
      brick.data = result.data;
      this.bytes += result.data.byteLength;
    } else if (result.status === "failed") {
      this.lastError = result.error;
    }
  }

  /** The whole request failed: try again, ever later, and give up at last. */
  private postpone(brick: Brick, error: unknown): void {
    brick.attempts += 1;
    this.lastError = error instanceof Error ? error.message : String(error);
    brick.state = brick.attempts < MAX_ATTEMPTS ? "wanted" : "failed";
    brick.retryAt = performance.now() + RETRY_MS * 2 ** brick.attempts;
  }

  private cancel(batch: Batch): void {
    batch.abort.abort();
    this.batches.delete(batch);
    for (const brick of batch.bricks) if (brick.state === "loading") brick.state = "wanted";
  }

  private evict(): void {
    for (const [key, brick] of this.bricks) {
      if (this.bytes <= this.limits.bytes || brick.seen === this.frame) return;
      if (brick.state === "loading") continue;
      this.bytes -= brick.data?.byteLength ?? 0;
      this.bricks.delete(key);
    }
  }
}

/** Whether two coordinates on additional axes are the same. */
export function sameCoordinates(a: Record<string, number>, b: Record<string, number>): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}
