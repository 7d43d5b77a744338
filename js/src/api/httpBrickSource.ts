import type { BrickRequest, BrickResult, BrickSource, LayerSpec } from "../viewer/types.ts";
import { brickBytes } from "../viewer/voxels.ts";
import { brickQuery, unpackFrame } from "./bricks.ts";
import { DecoderPool } from "./decoderPool.ts";
import { errorOf } from "./errors.ts";
import type { Session } from "./session.ts";

// The browser unpacks a zstd body by itself; what is stored otherwise comes as it lies; else the
// server unpacks.
const ACCEPT = ["zstd-body", "stored", "raw"];

/** Bricks from the server extension, many in one request. */
export class HttpBrickSource implements BrickSource {
  private readonly pool = DecoderPool.acquire();

  constructor(
    private readonly session: Session,
    private readonly dataset: string,
    private readonly layers: readonly LayerSpec[],
  ) {}

  async fetch(
    layer: string,
    requests: BrickRequest[],
    signal: AbortSignal,
    additional: Record<string, number>,
  ): Promise<BrickResult[]> {
    const spec = this.layers.find(({ name }) => name === layer);
    if (spec === undefined) throw new Error(`there is no layer ${layer}`);
    const path = `data/v15/datasets/${this.dataset}/layers/${encodeURIComponent(layer)}/bricks`;
    await this.session.ready;
    const answer = await fetch(new URL(path, this.session.base), {
      method: "POST",
      headers: { "Content-Type": "application/json", ...this.session.headers() },
      credentials: this.session.credentials(),
      body: JSON.stringify(brickQuery(requests, additional, ACCEPT)),
      signal,
    });
    if (!answer.ok) throw await errorOf(answer);
    return unpackFrame(await answer.arrayBuffer(), brickBytes(spec), this.pool);
  }

  dispose(): void {
    this.pool.release();
  }
}
