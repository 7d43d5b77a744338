import type { LayerSpec } from "../types.ts";
import { BRICK } from "../visibleBricks.ts";
import { type TextureKind, textureKind, toTexels } from "../voxels.ts";
import { buildTable, type TableEntry } from "./hashTable.ts";

interface Format {
  internal: GLenum;
  format: GLenum;
  type: GLenum;
}

function formatOf(gl: WebGL2RenderingContext, kind: TextureKind): Format {
  const table: Record<TextureKind["internalFormat"], [GLenum, GLenum]> = {
    R8UI: [gl.RED_INTEGER, gl.UNSIGNED_BYTE],
    R16UI: [gl.RED_INTEGER, gl.UNSIGNED_SHORT],
    R32UI: [gl.RED_INTEGER, gl.UNSIGNED_INT],
    RG32UI: [gl.RG_INTEGER, gl.UNSIGNED_INT],
    R8I: [gl.RED_INTEGER, gl.BYTE],
    R16I: [gl.RED_INTEGER, gl.SHORT],
    R32I: [gl.RED_INTEGER, gl.INT],
    R32F: [gl.RED, gl.FLOAT],
    RGBA8UI: [gl.RGBA_INTEGER, gl.UNSIGNED_BYTE],
  };
  const [format, type] = table[kind.internalFormat];
  return { internal: gl[kind.internalFormat], format, type };
}

const TABLE_WIDTH = 1024;

/**
 * The bricks of one layer on the GPU: a 3D texture of slots of 32³ voxels, and a texture with the table
 * that leads from a brick's address to its slot. A slot is given up by the brick that was drawn longest ago.
 */
export class BrickAtlas {
  readonly kind: TextureKind;
  readonly slots: readonly [number, number, number];
  readonly capacity: number;
  tableMask = 0;
  tableWidth = TABLE_WIDTH;
  private readonly texture: WebGLTexture;
  private readonly table: WebGLTexture;
  private readonly format: Format;
  /** Brick to slot, ordered by last use. */
  private readonly used = new Map<string, number>();
  private readonly free: number[];

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly layer: LayerSpec,
    wantedSlots: number,
  ) {
    this.kind = textureKind(layer);
    this.format = formatOf(gl, this.kind);
    const side = Math.max(1, Math.ceil(Math.cbrt(wantedSlots)));
    const limit = Math.floor((gl.getParameter(gl.MAX_3D_TEXTURE_SIZE) as number) / BRICK);
    const edge = Math.min(side, limit);
    this.slots = [edge, edge, Math.min(limit, Math.ceil(wantedSlots / (edge * edge)))];
    this.capacity = this.slots[0] * this.slots[1] * this.slots[2];
    this.free = Array.from({ length: this.capacity }, (_, i) => this.capacity - 1 - i);
    this.texture = this.makeTexture(gl.TEXTURE_3D);
    const [width, height, depth] = this.slots.map((n) => n * BRICK) as [number, number, number];
    gl.texStorage3D(gl.TEXTURE_3D, 1, this.format.internal, width, height, depth);
    this.table = this.makeTexture(gl.TEXTURE_2D);
    this.setTable([]);
  }

  slotOf(key: string): number | undefined {
    return this.used.get(key);
  }

  /** Mark a brick as drawn now, so that its slot is not given away. */
  touch(key: string): void {
    const slot = this.used.get(key);
    if (slot === undefined) return;
    this.used.delete(key);
    this.used.set(key, slot);
  }

  /** Copy a brick into a slot. `isNeeded` protects bricks of this frame; false: there is no room. */
  upload(key: string, data: ArrayBuffer, isNeeded: (key: string) => boolean): boolean {
    const slot = this.free.pop() ?? this.stealSlot(isNeeded);
    if (slot === null) return false;
    const { gl } = this;
    const [sx, sy] = this.slots;
    const x = slot % sx;
    const y = Math.floor(slot / sx) % sy;
    const z = Math.floor(slot / (sx * sy));
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texSubImage3D(
      gl.TEXTURE_3D,
      0,
      x * BRICK,
      y * BRICK,
      z * BRICK,
      BRICK,
      BRICK,
      BRICK,
      this.format.format,
      this.format.type,
      toTexels(this.layer, data),
    );
    this.used.set(key, slot);
    return true;
  }

  /** Replace the look-up table. */
  setTable(entries: readonly TableEntry[]): void {
    const { gl } = this;
    const words = buildTable(entries);
    const size = words.length / 4;
    const width = Math.min(size, TABLE_WIDTH);
    this.tableWidth = width;
    this.tableMask = size - 1;
    gl.bindTexture(gl.TEXTURE_2D, this.table);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    gl.texImage2D(
      gl.TEXTURE_2D,
      0,
      gl.RGBA32UI,
      width,
      size / width,
      0,
      gl.RGBA_INTEGER,
      gl.UNSIGNED_INT,
      words,
    );
  }

  /** Bind both textures to their units. */
  bind(): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.table);
    gl.activeTexture(gl.TEXTURE0);
  }

  clear(): void {
    for (const slot of this.used.values()) this.free.push(slot);
    this.used.clear();
    this.setTable([]);
  }

  dispose(): void {
    this.gl.deleteTexture(this.texture);
    this.gl.deleteTexture(this.table);
  }

  private stealSlot(isNeeded: (key: string) => boolean): number | null {
    for (const [key, slot] of this.used) {
      if (isNeeded(key)) continue;
      this.used.delete(key);
      return slot;
    }
    return null;
  }

  private makeTexture(target: GLenum): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(target, texture);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }
}
