import type { DecodeReply, DecodeRequest } from "./decode.worker.ts";
import source from "./decode.worker.ts?worker-source";

export type PackedBrick = DecodeRequest["bricks"][number];

interface Waiting {
  resolve(bricks: DecodeReply["bricks"]): void;
  reject(error: Error): void;
}

const MAX_WORKERS = 4;

/** Workers that decode bricks, shared by all viewers of a page; the last who lets go ends them. */
export class DecoderPool {
  private static shared: DecoderPool | null = null;
  private readonly workers: Worker[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private users = 0;
  private next = 0;

  private constructor() {
    try {
      this.startWorkers();
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  static acquire(): DecoderPool {
    DecoderPool.shared ??= new DecoderPool();
    DecoderPool.shared.users += 1;
    return DecoderPool.shared;
  }

  /** False where the page may not start workers, as a strict content security policy has it. */
  get isUsable(): boolean {
    return this.workers.length > 0;
  }

  release(): void {
    this.users -= 1;
    if (this.users > 0) return;
    DecoderPool.shared = null;
    this.fail("the viewer was closed");
  }

  /** Decode bricks of `size` bytes each. Takes the buffers that they lie in away from the caller. */
  decode(bricks: PackedBrick[], size: number): Promise<DecodeReply["bricks"]> {
    if (bricks.length === 0) return Promise.resolve([]);
    const id = this.next++;
    const worker = this.workers[id % this.workers.length];
    return new Promise((resolve, reject) => {
      if (worker === undefined) return reject(new Error("This page starts no workers."));
      this.waiting.set(id, { resolve, reject });
      const buffers = new Set(bricks.map(({ payload }) => payload.buffer));
      worker.postMessage({ id, size, bricks } satisfies DecodeRequest, [...buffers]);
    });
  }

  private startWorkers(): void {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const count = Math.min(MAX_WORKERS, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
    for (let i = 0; i < count; i += 1) {
      const worker = new Worker(url);
      worker.onmessage = ({ data }: MessageEvent<DecodeReply>) => {
        this.waiting.get(data.id)?.resolve(data.bricks);
        this.waiting.delete(data.id);
      };
      // Where the page's policy forbids the worker the event says nothing.
      worker.onerror = ({ message }) => this.fail(message ?? "the page lets no worker start");
      this.workers.push(worker);
    }
    URL.revokeObjectURL(url);
  }

  private fail(reason: string): void {
    for (const worker of this.workers.splice(0)) worker.terminate();
    const error = new Error(`Bricks could not be decoded: ${reason}.`);
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
