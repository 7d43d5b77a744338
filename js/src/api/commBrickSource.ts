import type { AnyModel } from "@anywidget/types";
import type { BrickRequest, BrickResult, BrickSource, LayerSpec } from "../viewer/types.ts";
import { brickBytes } from "../viewer/voxels.ts";
import { brickQuery, unpackFrame } from "./bricks.ts";
import { DecoderPool } from "./decoderPool.ts";
import { Gate, untilAborted } from "./gate.ts";

interface Reply {
  type?: string;
  id?: string;
  error?: string;
}

const MAX_REPLY_BYTES = 2 ** 20; // larger messages get stuck on their way to some pages
const MAX_OPEN = 2; // the kernel answers one after the other: more would only wait there
const PATIENCE_MS = 10_000;

const SILENT =
  "The kernel does not answer: it is busy, or has not run this cell. The picture goes on when the kernel has time; after a restart, run the cell again.";

/**
 * Bricks from the kernel, by the widget's own messages: for data that no server offers. What is no longer
 * wanted leaves the line here; what the kernel was asked for keeps its place until the kernel answers.
 */
export class CommBrickSource implements BrickSource {
  private readonly pool = DecoderPool.acquire();
  private readonly gate = new Gate(MAX_OPEN);
  private readonly open = new Map<string, (reply: Reply, frame: ArrayBuffer | null) => void>();
  private silence = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  // Every view of a model, in every page, hears every reply: numbers alone would mix them up.
  private readonly name = Math.random().toString(36).slice(2);
  private next = 0;

  constructor(
    private readonly model: AnyModel,
    private readonly layers: readonly LayerSpec[],
    private readonly patienceMs = PATIENCE_MS,
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
    if (spec === undefined) throw new Error(`There is no layer ${layer}.`);
    const size = brickBytes(spec);
    const most = Math.max(1, Math.floor(MAX_REPLY_BYTES / size));
    const parts: Promise<BrickResult[]>[] = [];
    for (let at = 0; at < requests.length; at += most) {
      const part = requests.slice(at, at + most);
      const query = { layer, ...brickQuery(part, additional) };
      parts.push(this.ask(query, { count: part.length, size }, signal));
    }
    return (await Promise.all(parts)).flat();
  }

  dispose(): void {
    this.model.off("msg:custom", this.receive);
    clearTimeout(this.timer);
    this.silence.abort(new Error("The viewer was closed."));
    this.open.clear();
    this.pool.release();
  }

  private readonly receive = (reply: Reply, buffers: DataView[]): void => {
    const settle = reply.type === "bricks" && this.open.get(reply.id ?? "");
    if (!settle) return;
    this.open.delete(reply.id ?? "");
    const view = buffers[0];
    const frame = view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    settle(reply, frame?.slice().buffer as ArrayBuffer | null);
    this.watchKernel();
  };

  private async ask(
    query: object,
    expected: { count: number; size: number },
    signal: AbortSignal,
  ): Promise<BrickResult[]> {
    const stop = AbortSignal.any([signal, this.silence.signal]);
    const frame = this.gate.run(stop, () => this.send(query));
    return unpackFrame(await untilAborted(stop, frame), expected, this.pool);
  }

  /** Send a request. Resolves with the kernel's reply, also when nobody waits for that any more. */
  private send(query: object): Promise<ArrayBuffer> {
    const id = `${this.name}-${this.next++}`;
    return new Promise((resolve, reject) => {
      this.open.set(id, ({ error }, frame) => {
        if (frame) resolve(frame);
        else reject(new Error(error ?? "The kernel could not read the bricks."));
      });
      try {
        this.model.send({ type: "bricks", id, ...query });
      } catch {
        this.open.delete(id); // the page knows that the kernel is gone
        reject(new Error(SILENT));
      }
      if (this.open.size === 1) this.watchKernel();
    });
  }

  /** While the kernel owes an answer and says nothing for long, those who wait are told. */
  private watchKernel(): void {
    clearTimeout(this.timer);
    if (this.open.size === 0) return;
    this.timer = setTimeout(() => {
      this.silence.abort(new Error(SILENT));
      this.silence = new AbortController();
      this.watchKernel();
    }, this.patienceMs);
  }
}
