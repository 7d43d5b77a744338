import type { CachedBrick } from "../brickCache.ts";
import type { NeededBrick } from "../neededBricks.ts";
import type { LayerSpec } from "../types.ts";
import { brickBytes, type TextureKind, textureKind } from "../voxels.ts";
import { Atlas } from "./atlas.ts";
import { LookupTable, STATUS } from "./lookupTable.ts";
import { TableTexture } from "./tableTexture.ts";

interface Resident {
  slot: number;
  brick: NeededBrick;
}

/** What may still be uploaded in this frame. */
export interface UploadBudget {
  readonly isSpent: boolean;
  spend(bytes: number): void;
}

/**
 * The bricks of one layer on the GPU: an atlas of slots and the table that leads to them. The brick that was
 * needed longest ago gives its slot away; one that the present view needs never does.
 */
export class LayerTextures {
  readonly kind: TextureKind;
  readonly table = new LookupTable();
  /** The most bricks that this layer may have on the GPU. */
  readonly limit: number;
  private readonly tableTexture: TableTexture;
  private atlas: Atlas;
  private free: number[] = [];
  /** By key, ordered by last use. */
  private readonly residents = new Map<string, Resident>();
  /** Missing and failed bricks of the present view. */
  private markers = new Map<string, NeededBrick>();
  private mustFill = false;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly layer: LayerSpec,
    bytes: number,
  ) {
    this.kind = textureKind(layer);
    this.limit = Atlas.limit(gl, this.kind, bytes);
    this.tableTexture = new TableTexture(gl, this.table);
    this.atlas = this.makeAtlas(1);
  }

  get capacity(): number {
    return this.atlas.capacity;
  }

  has(key: string): boolean {
    return this.residents.has(key);
  }

  get tableShift(): number {
    return this.tableTexture.shift;
  }

  /**
   * Bring what is needed (the most urgent first) and in memory onto the GPU, as far as the budget goes.
   * Returns whether something is left for the next frame.
   */
  sync(
    needed: readonly NeededBrick[],
    find: (key: string) => CachedBrick | undefined,
    budget: UploadBudget,
  ): boolean {
    this.reserve(needed.length);
    const keys = new Set(needed.map((brick) => brick.key));
    const markers = new Map<string, NeededBrick>();
    const bytes = brickBytes(this.layer);
    let isMore = false;
    for (const brick of needed) {
      const { key } = brick;
      if (this.touch(key)) continue;
      const cached = find(key);
      if (cached === undefined) continue;
      if (cached.status !== "ok") {
        this.table.set({ ...brick, status: STATUS[cached.status], slot: 0 });
        markers.set(key, brick);
      } else if (budget.isSpent && !this.mustFill) {
        isMore = true;
      } else {
        this.upload(brick, cached.data, keys);
        budget.spend(bytes);
      }
    }
    this.mustFill = false;
    this.replaceMarkers(markers);
    return isMore;
  }

  /** Bind to two texture units. */
  bind(atlasUnit: number, tableUnit: number): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + atlasUnit);
    gl.bindTexture(gl.TEXTURE_3D, this.atlas.texture);
    gl.activeTexture(gl.TEXTURE0 + tableUnit);
    this.tableTexture.bind();
  }

  /** Forget all bricks, for a change of what they show. */
  clear(): void {
    this.residents.clear();
    this.markers.clear();
    this.table.clear();
    this.free = Array.from({ length: this.capacity }, (_, i) => this.capacity - 1 - i);
  }

  dispose(): void {
    this.atlas.dispose();
    this.tableTexture.dispose();
  }

  private touch(key: string): boolean {
    const resident = this.residents.get(key);
    if (resident === undefined) return false;
    this.residents.delete(key);
    this.residents.set(key, resident);
    return true;
  }

  private upload(brick: NeededBrick, data: ArrayBuffer, keys: ReadonlySet<string>): void {
    const slot = this.free.pop() ?? this.takeOldest(keys);
    if (slot === null) return; // more is needed than fits; the least urgent stays away
    this.atlas.upload(slot, data);
    this.residents.set(brick.key, { slot, brick });
    this.markers.delete(brick.key);
    this.table.set({ ...brick, status: STATUS.ok, slot });
  }

  private takeOldest(keys: ReadonlySet<string>): number | null {
    for (const [key, { slot, brick }] of this.residents) {
      if (keys.has(key)) continue;
      this.residents.delete(key);
      this.table.delete(brick.level, brick.brick);
      return slot;
    }
    return null;
  }

  private replaceMarkers(markers: Map<string, NeededBrick>): void {
    for (const [key, { level, brick }] of this.markers) {
      if (!markers.has(key)) this.table.delete(level, brick);
    }
    this.markers = markers;
  }

  /** Grow with the need. What was there is uploaded again at once, so that nothing flickers. */
  private reserve(count: number): void {
    if (count <= this.capacity || this.capacity >= this.limit) return;
    this.atlas.dispose();
    this.atlas = this.makeAtlas(Math.min(Math.max(count * 1.25, this.capacity * 2), this.limit));
    this.mustFill = true;
  }

  private makeAtlas(slots: number): Atlas {
    this.atlas = new Atlas(this.gl, this.layer, this.kind, slots);
    this.clear();
    return this.atlas;
  }
}
