import type { AnyModel } from "@anywidget/types";
import type { BrickRequest, BrickResult, BrickSource, LayerSpec } from "../viewer/types.ts";
import { brickBytes } from "../viewer/voxels.ts";
import { brickQuery, unpackFrame } from "./bricks.ts";
import { DecoderPool } from "./decoderPool.ts";

interface Reply {
  type?: string;
  id?: string;
  error?: string;
}

const MAX_REPLY_BYTES = 2 ** 20; // larger messages get stuck on their way to some pages
const MAX_OPEN = 2; // the kernel answers one after the other: more would only wait there

/** Bricks from the kernel, by the widget's own messages: for data that no server extension serves. */
export class CommBrickSource implements BrickSource {
  private readonly pool = DecoderPool.acquire();
  // Every view of a model, in every page, hears every reply: numbers alone would mix them up.
  private readonly name = Math.random().toString(36).slice(2);
  private readonly open = new Map<string, (reply: Reply, frame: ArrayBuffer | null) => void>();
  private readonly queue: (() => void)[] = [];
  private next = 0;

  constructor(
    private readonly model: AnyModel,
    private readonly layers: readonly LayerSpec[],
  ) {
    model.on("msg:custom", this.receive);
  }

  async fetch(
    layer: string,
    requests: BrickRequest[],
    signal: AbortSignal,
    additional: Record<string, number>,
  ): Promise<BrickResult[]> {
    const spec = this.layers.find(({ name }) => name === layer);
    if (spec === undefined) throw new Error(`there is no layer ${layer}`);
    const size = brickBytes(spec);
    const most = Math.max(1, Math.floor(MAX_REPLY_BYTES / size));
    const parts: Promise<BrickResult[]>[] = [];
    for (let at = 0; at < requests.length; at += most) {
      parts.push(this.ask(layer, requests.slice(at, at + most), signal, { additional, size }));
    }
    return (await Promise.all(parts)).flat();
  }

  dispose(): void {
    this.model.off("msg:custom", this.receive);
    this.pool.release();
    this.open.clear();
    this.queue.length = 0;
  }

  private readonly receive = (reply: Reply, buffers: DataView[]): void => {
    if (reply.type !== "bricks" || reply.id === undefined) return;
    const view = buffers[0];
    const frame = view
      ? (view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer)
      : null;
    this.open.get(reply.id)?.(reply, frame);
  };

  private async ask(
    layer: string,
    requests: BrickRequest[],
    signal: AbortSignal,
    { additional, size }: { additional: Record<string, number>; size: number },
  ): Promise<BrickResult[]> {
    await this.turn();
    const id = `${this.name}-${this.next++}`;
    try {
      signal.throwIfAborted();
      const frame = await new Promise<ArrayBuffer>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        this.open.set(id, (reply, data) => {
          if (data === null)
            reject(new Error(reply.error ?? "the kernel could not read the bricks"));
          else resolve(data);
        });
        const { accept: _, ...query } = brickQuery(requests, additional, []);
        this.model.send({ type: "bricks", id, layer, ...query });
      });
      return await unpackFrame(frame, size, this.pool);
    } finally {
      this.open.delete(id);
      this.queue.shift()?.();
    }
  }

  /** Wait until fewer than `MAX_OPEN` requests are on their way. */
  private turn(): Promise<void> {
    if (this.open.size < MAX_OPEN) return Promise.resolve();
    return new Promise((resolve) => this.queue.push(resolve));
  }
}
