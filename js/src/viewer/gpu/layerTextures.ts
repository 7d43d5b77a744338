import type { CachedBrick } from "../brickCache.ts";
import type { NeededBrick } from "../neededBricks.ts";
import type { LayerSpec } from "../types.ts";
import { brickBytes, type TextureKind, textureKind } from "../voxels.ts";
import { Atlas } from "./atlas.ts";
import { makePages, NO_PAGES, type PageBox } from "./pages.ts";
import { PageTexture } from "./pageTexture.ts";

/** What may still be uploaded in this frame. */
export interface UploadBudget {
  readonly isSpent: boolean;
  spend(bytes: number): void;
}

/**
 * The bricks of one layer on the GPU: an atlas of slots and the pages that lead to them. The brick that was
 * needed longest ago gives its slot away; one that the present view needs never does.
 */
export class LayerTextures {
  readonly kind: TextureKind;
  private most: number;
  private readonly pageTexture: PageTexture;
  private atlas: Atlas;
  private free: number[] = [];
  /** Slots by key, ordered by last use. */
  private readonly residents = new Map<string, number>();
  private mustFill = false;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly layer: LayerSpec,
    bytes: number,
  ) {
    this.kind = textureKind(layer);
    this.most = Atlas.limit(gl, this.kind, bytes);
    this.pageTexture = new PageTexture(gl);
    this.atlas = this.makeAtlas(1);
  }

  /** The most bricks that this layer may have on the GPU. */
  get limit(): number {
    return this.most;
  }

  get capacity(): number {
    return this.atlas.capacity;
  }

  has(key: string): boolean {
    return this.residents.has(key);
  }

  get pages(): PageBox {
    return this.pageTexture.pages;
  }

  /**
   * Bring what is needed (the most urgent first) and in memory onto the GPU, as far as the budget goes, and
   * lead the bricks of a level to it. Returns whether something is left for the next frame.
   */
  sync(
    needed: readonly NeededBrick[],
    level: number,
    find: (key: string) => CachedBrick | undefined,
    budget: UploadBudget,
  ): boolean {
    this.reserve(needed.length);
    const keys = new Set(needed.map((brick) => brick.key));
    const bytes = brickBytes(this.layer);
    let isMore = false;
    let hasBegun = false;
    for (const { key } of needed) {
      if (this.touch(key)) continue;
      const cached = find(key);
      if (cached?.status !== "ok") continue;
      // One brick a frame always goes: where the GPU is slow, the layers before may have spent it all.
      if (budget.isSpent && hasBegun && !this.mustFill) {
        isMore = true;
      } else {
        this.upload(key, cached.data, keys);
        budget.spend(bytes);
        hasBegun = true;
      }
    }
    this.mustFill = false;
    this.pageTexture.set(
      makePages(needed, level, this.layer.mags, {
        slotOf: (key) => this.residents.get(key),
        isMissing: (key) => find(key)?.status === "missing",
        hasFailed: (key) => find(key)?.status === "failed",
      }),
    );
    return isMore;
  }

  /** Bind to two texture units. */
  bind(atlasUnit: number, pageUnit: number): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + atlasUnit);
    gl.bindTexture(gl.TEXTURE_3D, this.atlas.texture);
    gl.activeTexture(gl.TEXTURE0 + pageUnit);
    this.pageTexture.bind();
  }

  /** Forget all bricks, for a change of what they show. */
  clear(): void {
    this.residents.clear();
    this.pageTexture.set(NO_PAGES);
    this.free = Array.from({ length: this.capacity }, (_, i) => this.capacity - 1 - i);
  }

  dispose(): void {
    this.atlas.dispose();
    this.pageTexture.dispose();
  }

  private touch(key: string): boolean {
    const slot = this.residents.get(key);
    if (slot === undefined) return false;
    this.residents.delete(key);
    this.residents.set(key, slot);
    return true;
  }

  private upload(key: string, data: ArrayBuffer, keys: ReadonlySet<string>): void {
    const slot = this.free.pop() ?? this.takeOldest(keys);
    if (slot === null) return; // more is needed than fits; the least urgent stays away
    this.atlas.upload(slot, data);
    this.residents.set(key, slot);
  }

  private takeOldest(keys: ReadonlySet<string>): number | null {
    for (const [key, slot] of this.residents) {
      if (keys.has(key)) continue;
      this.residents.delete(key);
      return slot;
    }
    return null;
  }

  /** Grow with the need. What was there is uploaded again at once, so that nothing flickers. */
  private reserve(count: number): void {
    const { capacity } = this;
    if (count <= capacity || capacity >= this.most) return;
    this.atlas.dispose();
    this.atlas = this.makeAtlas(Math.min(Math.max(count * 1.25, capacity * 2), this.most));
    if (!this.atlas.isUsable) {
      // No room: stay as small as it was, so that coarser mags are chosen.
      this.atlas.dispose();
      this.most = capacity;
      this.atlas = this.makeAtlas(capacity);
    }
    this.mustFill = true;
  }

  private makeAtlas(slots: number): Atlas {
    this.atlas = new Atlas(this.gl, this.layer, this.kind, slots);
    this.clear();
    return this.atlas;
  }
}
