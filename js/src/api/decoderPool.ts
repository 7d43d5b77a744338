import type { DecodeReply, DecodeRequest } from "./decode.worker.ts";
import source from "./decode.worker.ts?worker-source";

type Brick = DecodeRequest["bricks"][number];

/** Workers that decode bricks, shared by all viewers of a page; the last who lets go ends them. */
export class DecoderPool {
  private static shared: DecoderPool | null = null;
  private readonly workers: Worker[];
  private readonly waiting = new Map<number, (bricks: DecodeReply["bricks"]) => void>();
  private users = 0;
  private next = 0;

  private constructor() {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const count = Math.min(4, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
    this.workers = Array.from({ length: count }, () => new Worker(url));
    URL.revokeObjectURL(url);
    for (const worker of this.workers) {
      worker.onmessage = ({ data }: MessageEvent<DecodeReply>) => {
        this.waiting.get(data.id)?.(data.bricks);
        this.waiting.delete(data.id);
      };
    }
  }

  static acquire(): DecoderPool {
    DecoderPool.shared ??= new DecoderPool();
    DecoderPool.shared.users += 1;
    return DecoderPool.shared;
  }

  release(): void {
    this.users -= 1;
    if (this.users > 0) return;
    for (const worker of this.workers) worker.terminate();
    DecoderPool.shared = null;
  }

  /** Decode bricks of `size` bytes each; a string in place of one says why it could not be. */
  decode(bricks: Brick[], size: number): Promise<(ArrayBuffer | string)[]> {
    if (bricks.length === 0) return Promise.resolve([]);
    const id = this.next++;
    const worker = this.workers[id % this.workers.length] as Worker;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      worker.postMessage({ id, size, bricks } satisfies DecodeRequest);
    });
  }
}
