import type { LookupTable } from "./lookupTable.ts";
import { makeTexture } from "./texture.ts";

const MAX_SHIFT = 9;

/** A look-up table's copy on the GPU, brought up to date when it is bound. */
export class TableTexture {
  private readonly texture: WebGLTexture;
  private version = -1;
  private size = 0;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly table: LookupTable,
  ) {
    this.texture = makeTexture(gl, gl.TEXTURE_2D);
  }

  /** The texture is 2^shift texels wide. */
  get shift(): number {
    return Math.min(Math.log2(this.table.size), MAX_SHIFT);
  }

  bind(): void {
    const { gl, table } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    if (this.version === table.version) return;
    const width = 2 ** this.shift;
    const height = table.size / width;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    const { TEXTURE_2D, RGBA32UI, RGBA_INTEGER, UNSIGNED_INT } = gl;
    if (this.size === table.size) {
      gl.texSubImage2D(TEXTURE_2D, 0, 0, 0, width, height, RGBA_INTEGER, UNSIGNED_INT, table.words);
    } else {
      gl.texImage2D(
        TEXTURE_2D,
        0,
        RGBA32UI,
        width,
        height,
        0,
        RGBA_INTEGER,
        UNSIGNED_INT,
        table.words,
      );
    }
    this.version = table.version;
    this.size = table.size;
  }

  dispose(): void {
    this.gl.deleteTexture(this.texture);
  }
}
