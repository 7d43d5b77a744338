import type { BrickRequest, BrickResult, BrickSource, LayerSpec } from "../viewer/types.ts";
import { brickBytes } from "../viewer/voxels.ts";
import { brickQuery, unpackFrame } from "./bricks.ts";
import { DecoderPool } from "./decoderPool.ts";
import { ApiError, errorOf } from "./errors.ts";
import { Gate, untilAborted } from "./gate.ts";
import type { Session } from "./session.ts";

/** For all viewers of a page: a browser opens six connections to a server, and Jupyter wants some too. */
const page = new Gate(4);

/** Bricks from a server, many in one request. */
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
    // Outside the gate: who waits for a token is in nobody's way.
    await untilAborted(signal, this.session.ready);
    return page.run(signal, async () => {
      const spec = this.layers.find(({ name }) => name === layer);
      if (spec === undefined) throw new Error(`There is no layer ${layer}.`);
      const expected = { count: requests.length, size: brickBytes(spec) };
      const query = brickQuery(requests, additional);
      try {
        return await this.ask(layer, query, expected, this.encodings(), signal);
      } catch (error) {
        if (!(error instanceof SpoiledBody) || signal.aborted) throw error;
        return this.ask(layer, query, expected, this.encodings({ apart: true }), signal);
      }
    });
  }

  dispose(): void {
    this.pool.release();
  }

  /**
   * A zstd body, which the browser unpacks by itself, was measured to be fastest, but a damaged brick spoils it
   * as a whole: then each is asked for `apart`. What is stored otherwise goes to the workers as it lies,
   * if the page has any; else the server unpacks.
   */
  private encodings({ apart = false } = {}): string[] {
    return [...(apart ? [] : ["zstd-body"]), ...(this.pool.isUsable ? ["stored"] : []), "raw"];
  }

  private async ask(
    layer: string,
    query: object,
    expected: { count: number; size: number },
    accept: string[],
    signal: AbortSignal,
  ): Promise<BrickResult[]> {
    const path = `data/v15/datasets/${this.dataset}/layers/${encodeURIComponent(layer)}/bricks`;
    const { headers, credentials } = this.session.identity();
    const answer = await fetch(new URL(path, this.session.base), {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      credentials,
      body: JSON.stringify({ ...query, accept }),
      signal,
    }).catch((error: unknown) => {
      throw signal.aborted ? error : new ApiError(unreachable(this.session.base), 0);
    });
    if (!answer.ok) throw await errorOf(answer);
    try {
      return await unpackFrame(await answer.arrayBuffer(), expected, this.pool);
    } catch (error) {
      throw signal.aborted ? error : new SpoiledBody((error as Error).message);
    }
  }
}

/** An answer came, but its body can't be read. */
class SpoiledBody extends Error {}

function unreachable(base: string): string {
  return `The server at ${base} does not answer. The picture goes on when it does.`;
}
