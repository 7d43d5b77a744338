import { map3, type Vec3 } from "../core/vec3.ts";
import { BrickCache } from "./brickCache.ts";
import { BrickQueue, type Clock, type QueuedBrick, REAL_CLOCK } from "./brickQueue.ts";
import { LayerView } from "./layerView.ts";
import {
  chooseLevel,
  type NeededBrick,
  parentsOf,
  prefetchBricks,
  standIn,
  type View,
  visibleBricks,
} from "./neededBricks.ts";
import type { BrickResult, BrickSource, LayerSpec, LayerState, ViewerState } from "./types.ts";
import { brickBytes } from "./voxels.ts";

const CACHE_BYTES = 384 * 2 ** 20;
/** After a brick's own failure (a corrupt file) it is asked for again when it comes into view much later. */
const BRICK_RETRY_MS = 60_000;
/** After requests failed as a whole (a dead server) their bricks are asked for again by themselves. */
const REQUEST_RETRY_MS = 10_000;

const BRICK_TROUBLE = "brick ";
const REQUEST_TROUBLE = "request ";

export interface StreamerEvents {
  /** Bricks came in: draw. */
  changed(): void;
  /** What is wrong with the data, in words; empty when it is over. */
  trouble(message: string): void;
}

/** Keeps the bricks coming that a view needs, for all layers of a scene. */
export class Streamer {
  readonly layers: readonly LayerView[];
  private readonly cache: BrickCache;
  private readonly queue: BrickQueue;
  private neededKeys = new Set<string>();
  private coordinates = "";
  private lastPosition: Vec3 | null = null;
  private movement: Vec3 = [0, 0, 0];
  private readonly troubles = new Map<string, string>();
  private cancelRetry: (() => void) | null = null;

  constructor(
    layers: readonly LayerSpec[],
    source: BrickSource,
    private readonly events: StreamerEvents,
    private readonly clock: Clock = REAL_CLOCK,
    cacheBytes = CACHE_BYTES,
  ) {
    this.cache = new BrickCache(cacheBytes, (key) => this.neededKeys.has(key));
    this.layers = layers.map(
      (layer) => new LayerView(layer, (spec, key) => this.cache.get(this.cacheKey(spec, key))),
    );
    this.queue = new BrickQueue(
      source,
      {
        arrived: (brick, result, byRequest) => this.arrived(brick, result, byRequest),
        trouble: (layer, message) => this.setTrouble(`${REQUEST_TROUBLE}${layer}`, layer, message),
        answered: () => this.events.changed(),
      },
      undefined,
      clock,
    );
  }

  /** Whether everything that the view shows is known. */
  get isComplete(): boolean {
    return this.layers.every((layer) => layer.isComplete);
  }

  /** Whether requests fail, so that nothing comes although bricks are waited for. */
  get isHeldUp(): boolean {
    return [...this.troubles.keys()].some((key) => key.startsWith(REQUEST_TROUBLE));
  }

  /**
   * Ask for what a view needs. `limitOf` says how many bricks of a layer the GPU may hold. Returns whether
   * the coordinates changed, after which everything that is on the GPU shows something else.
   */
  update(view: View, state: ViewerState, limitOf: (layer: LayerView) => number): boolean {
    const isOther = this.setCoordinates(state.additionalCoordinates);
    this.noteMovement(view.position);
    const wanted: QueuedBrick[] = [];
    const needed = new Set<string>();
    for (const layer of this.layers) {
      this.updateLayer(layer, view, state, limitOf(layer));
      for (const brick of [...layer.needed, ...layer.prefetched]) {
        const key = this.cacheKey(layer.spec, brick.key);
        needed.add(key);
        if (this.mustFetch(key)) wanted.push(queued(layer.spec, brick, key));
      }
    }
    this.neededKeys = needed;
    this.forgetTroubles();
    this.queue.setWanted(wanted, state.additionalCoordinates);
    return isOther;
  }

  dispose(): void {
    this.queue.close();
    this.cancelRetry?.();
    this.cache.clear();
  }

  private updateLayer(layer: LayerView, view: View, state: ViewerState, limit: number): void {
    const { mags } = layer.spec;
    if (!isShown(state.layers[layer.spec.name]) || mags.length === 0) {
      layer.needed = [];
      layer.prefetched = [];
      return;
    }
    layer.level = chooseLevel(mags, layer.box, view, limit);
    const visible = visibleBricks(mags, layer.box, view, layer.level).slice(0, limit);
    layer.needed = state.renderMissingDataBlack
      ? visible
      : this.withStandIns(layer, view, visible, limit);
    const keys = new Set(layer.needed.map(({ key }) => key));
    const room = limit - layer.needed.length;
    layer.prefetched = prefetchBricks(mags, layer.box, view, layer.level, this.movement)
      .filter(({ key }) => !keys.has(key))
      .slice(0, Math.max(0, room));
  }

  /** Add coarser bricks where finer ones were never written: those may lie in a coarser mag alone. */
  private withStandIns(
    layer: LayerView,
    view: View,
    visible: readonly NeededBrick[],
    limit: number,
  ): readonly NeededBrick[] {
    const { mags } = layer.spec;
    const all = new Map(visible.map((brick) => [brick.key, brick]));
    const coarsest = standIn(mags, layer.level);
    let missing = visible.filter(
      ({ key, level }) => level < coarsest && this.isMissing(layer, key),
    );
    while (missing.length > 0) {
      const next: NeededBrick[] = [];
      for (const parent of missing.flatMap((b) => parentsOf(b, mags, layer.box, view))) {
        if (all.has(parent.key) || all.size >= limit) continue;
        all.set(parent.key, parent);
        if (parent.level < coarsest && this.isMissing(layer, parent.key)) next.push(parent);
      }
      missing = next;
    }
    return [...all.values()];
  }

  private isMissing(layer: LayerView, key: string): boolean {
    return layer.brick(key)?.status === "missing";
  }

  private cacheKey(layer: LayerSpec, key: string): string {
    return `${layer.name}|${this.coordinates}|${key}`;
  }

  private mustFetch(key: string): boolean {
    const cached = this.cache.get(key);
    if (cached === undefined) return true;
    return cached.status === "failed" && cached.retryAt <= this.clock.now();
  }

  private setCoordinates(additional: Record<string, number>): boolean {
    const text = JSON.stringify(Object.entries(additional).sort());
    const isOther = text !== this.coordinates && this.coordinates !== "";
    this.coordinates = text;
    return isOther;
  }

  private noteMovement(position: Vec3): void {
    const last = this.lastPosition;
    this.lastPosition = position;
    if (last === null) return;
    const moved = map3((a) => position[a] - last[a]);
    if (moved.some((n) => n !== 0)) this.movement = moved;
  }

  private arrived(brick: QueuedBrick, result: BrickResult, byRequest: boolean): void {
    const layer = this.layers.find(({ spec }) => spec.name === brick.layer) as LayerView;
    const checked = checkSize(layer.spec, result);
    const wait = byRequest ? REQUEST_RETRY_MS : BRICK_RETRY_MS;
    this.cache.put(brick.key, checked, this.clock.now() + wait);
    if (checked.status === "failed") {
      if (byRequest) this.retryLater(wait);
      else this.setTrouble(`${BRICK_TROUBLE}${brick.key}`, brick.layer, checked.error);
    } else {
      this.setTrouble(`${BRICK_TROUBLE}${brick.key}`, brick.layer, "");
    }
    layer.look(this.cache.get(brick.key));
  }

  private retryLater(ms: number): void {
    if (this.cancelRetry !== null) return;
    this.cancelRetry = this.clock.after(ms, () => {
      this.cancelRetry = null;
      this.events.changed();
    });
  }

  /** Failed bricks that left the view are no trouble any more. */
  private forgetTroubles(): void {
    for (const key of this.troubles.keys()) {
      if (key.startsWith(BRICK_TROUBLE) && !this.neededKeys.has(key.slice(BRICK_TROUBLE.length))) {
        this.setTrouble(key, "", "");
      }
    }
  }

  private setTrouble(key: string, layer: string, message: string): void {
    if (message === "" && !this.troubles.has(key)) return;
    if (message === "") this.troubles.delete(key);
    else this.troubles.set(key, `${layer}: ${message}`);
    const [first] = this.troubles.values();
    this.events.trouble(first ?? "");
  }
}

export function isShown(layer: LayerState | undefined): boolean {
  return layer?.visible === true && layer.opacity > 0;
}

function queued(
  layer: LayerSpec,
  { level, brick, priority }: NeededBrick,
  key: string,
): QueuedBrick {
  return { key, layer: layer.name, mag: layer.mags[level] as Vec3, brick, priority };
}

function checkSize(layer: LayerSpec, result: BrickResult): BrickResult {
  if (result.status !== "ok" || result.data.byteLength === brickBytes(layer)) return result;
  const { byteLength } = result.data;
  const error = `A brick of ${brickBytes(layer)} bytes was expected, ${byteLength} came.`;
  return { status: "failed", error };
}
