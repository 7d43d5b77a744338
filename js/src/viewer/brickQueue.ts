import type { Vec3 } from "../core/vec3.ts";
import type { BrickResult, BrickSource } from "./types.ts";

/**
 * Priorities come in steps. A request holds bricks of one step, so that the few coarse bricks which fill the view
 * need not wait for the fine ones.
 */
export const PRIORITY_STEP = 100;

/** A brick to fetch. The smallest priority goes first. */
export interface QueuedBrick {
  readonly key: string;
  readonly layer: string;
  readonly mag: Vec3;
  readonly brick: Vec3;
  readonly priority: number;
}

export interface QueueLimits {
  requests: number;
  /** Bricks of a request while the queue was idle before: the first picture comes sooner. */
  firstBatch: number;
  batch: number;
  /** Requests that failed as a whole before their bricks count as failed. */
  attempts: number;
  retryMs: number;
  longestRetryMs: number;
}

export const QUEUE_LIMITS: QueueLimits = {
  requests: 4,
  firstBatch: 8,
  batch: 32,
  attempts: 4,
  retryMs: 250,
  longestRetryMs: 10_000,
};

/** The time, so that tests need not wait. */
export interface Clock {
  now(): number;
  after(ms: number, fn: () => void): () => void;
}

export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

export interface QueueEvents {
  /** A brick's result. `byRequest`: it counts as failed because its requests failed too often. */
  arrived(brick: QueuedBrick, result: BrickResult, byRequest: boolean): void;
  /** A request failed as a whole, or (empty string) went well again. */
  trouble(layer: string, message: string): void;
  /** A request came to its end. */
  answered(): void;
}

interface Batch {
  readonly layer: string;
  readonly bricks: readonly QueuedBrick[];
  readonly abort: AbortController;
}

interface Trouble {
  errors: number;
  until: number;
}

/**
 * Fetches bricks: the most urgent first, several a request, few requests at a time, each of one layer. What
 * is no longer wanted is dropped, and a request is given up once none of its bricks is. A layer whose
 * requests fail waits ever longer before the next, without holding up the others.
 */
export class BrickQueue {
  private pending: QueuedBrick[] = [];
  private readonly batches = new Set<Batch>();
  private readonly loading = new Set<string>();
  private readonly attempts = new Map<string, number>();
  private readonly troubles = new Map<string, Trouble>();
  private wanted: ReadonlySet<string> = new Set();
  private additional: Record<string, number> = {};
  private cancelTimer: (() => void) | null = null;
  private closed = false;

  constructor(
    private readonly source: BrickSource,
    private readonly events: QueueEvents,
    private readonly limits: QueueLimits = QUEUE_LIMITS,
    private readonly clock: Clock = REAL_CLOCK,
  ) {}

  get pendingCount(): number {
    return this.pending.length;
  }

  get inFlight(): number {
    return this.batches.size;
  }

  get isBusy(): boolean {
    return this.pending.length > 0 || this.batches.size > 0;
  }

  /** Say all that is wanted now, in place of what was; bricks that already lie in memory left out. */
  setWanted(bricks: readonly QueuedBrick[], additional: Record<string, number>): void {
    if (this.closed) return;
    const keys = new Set(bricks.map((brick) => brick.key));
    this.wanted = keys;
    for (const batch of [...this.batches]) {
      if (!batch.bricks.some((brick) => keys.has(brick.key))) this.giveUp(batch);
    }
    this.pending = bricks.filter((brick) => !this.loading.has(brick.key));
    this.pending.sort((a, b) => a.priority - b.priority);
    for (const key of this.attempts.keys()) if (!keys.has(key)) this.attempts.delete(key);
    this.additional = additional;
    this.pump();
  }

  close(): void {
    this.closed = true;
    this.pending = [];
    for (const batch of [...this.batches]) this.giveUp(batch);
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  private giveUp(batch: Batch): void {
    this.finish(batch);
    batch.abort.abort();
  }

  private finish(batch: Batch): void {
    this.batches.delete(batch);
    for (const brick of batch.bricks) this.loading.delete(brick.key);
  }

  private pump(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    let wait = Number.POSITIVE_INFINITY;
    const now = this.clock.now();
    for (const { until } of this.troubles.values()) {
      if (until > now) wait = Math.min(wait, until - now);
    }
    while (!this.closed && this.batches.size < this.limits.requests) {
      const bricks = this.takeBatch(now);
      if (bricks.length === 0) break;
      void this.load(bricks);
    }
    if (!this.closed && this.pending.length > 0 && wait !== Number.POSITIVE_INFINITY) {
      this.cancelTimer = this.clock.after(wait, () => this.pump());
    }
  }

  /** The most urgent brick that may be asked for now, and the next of its layer. */
  private takeBatch(now: number): QueuedBrick[] {
    const mayAsk = (layer: string) => (this.troubles.get(layer)?.until ?? 0) <= now;
    const first = this.pending.find((brick) => mayAsk(brick.layer));
    if (first === undefined) return [];
    const size = this.batches.size === 0 ? this.limits.firstBatch : this.limits.batch;
    const step = stepOf(first);
    const taken: QueuedBrick[] = [];
    const rest: QueuedBrick[] = [];
    for (const brick of this.pending) {
      const isAlike = brick.layer === first.layer && stepOf(brick) === step;
      const isTaken = isAlike && taken.length < size;
      (isTaken ? taken : rest).push(brick);
    }
    this.pending = rest;
    return taken;
  }

  private async load(bricks: readonly QueuedBrick[]): Promise<void> {
    const layer = (bricks[0] as QueuedBrick).layer;
    const batch: Batch = { layer, bricks, abort: new AbortController() };
    this.batches.add(batch);
    for (const brick of bricks) this.loading.add(brick.key);
    const requests = bricks.map(({ mag, brick }) => ({ mag, brick }));
    try {
      const { signal } = batch.abort;
      const results = await this.source.fetch(layer, requests, signal, this.additional);
      if (signal.aborted) return;
      this.finish(batch);
      this.recover(layer);
      bricks.forEach((brick, i) => {
        const result = results[i] ?? { status: "failed", error: "The answer was too short." };
        this.arrive(brick, result, false);
      });
    } catch (error) {
      if (batch.abort.signal.aborted) return;
      this.finish(batch);
      this.postpone(batch, error instanceof Error ? error.message : String(error));
    }
    this.pump();
    this.events.answered();
  }

  private arrive(brick: QueuedBrick, result: BrickResult, byRequest: boolean): void {
    this.attempts.delete(brick.key);
    this.events.arrived(brick, result, byRequest);
  }

  private recover(layer: string): void {
    if (this.troubles.delete(layer)) this.events.trouble(layer, "");
  }

  private postpone({ layer, bricks }: Batch, message: string): void {
    const errors = (this.troubles.get(layer)?.errors ?? 0) + 1;
    const { retryMs, longestRetryMs } = this.limits;
    const delay = Math.min(retryMs * 2 ** (errors - 1), longestRetryMs);
    this.troubles.set(layer, { errors, until: this.clock.now() + delay });
    const again: QueuedBrick[] = [];
    for (const brick of bricks) {
      const attempts = (this.attempts.get(brick.key) ?? 0) + 1;
      this.attempts.set(brick.key, attempts);
      if (attempts < this.limits.attempts) {
        if (this.wanted.has(brick.key)) again.push(brick);
      } else this.arrive(brick, { status: "failed", error: message }, true);
    }
    this.pending = [...again, ...this.pending].sort((a, b) => a.priority - b.priority);
    this.events.trouble(layer, message);
  }
}

function stepOf({ priority }: QueuedBrick): number {
  return Math.floor(priority / PRIORITY_STEP);
}
