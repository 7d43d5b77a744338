import { map3, type Vec3 } from "../../core/vec3.ts";
import { NO_PAGES, type PageBox } from "./pages.ts";
import { makeTexture } from "./texture.ts";

// Sizes change by a brick with every other movement; the texture only now and then.
const ROUND = 8;

/** A box of pages on the GPU. */
export class PageTexture {
  private texture: WebGLTexture | null = null;
  private allocated: Vec3 = [0, 0, 0];
  private shown: PageBox = NO_PAGES;

  constructor(private readonly gl: WebGL2RenderingContext) {
    this.set(NO_PAGES);
  }

  get pages(): PageBox {
    return this.shown;
  }

  set(pages: PageBox): void {
    const { gl } = this;
    const [width, height, depth] = pages.size;
    if (pages.size.some((n, a) => n > (this.allocated[a] as number))) this.allocate(pages.size);
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    const { TEXTURE_3D, RED_INTEGER, UNSIGNED_INT } = gl;
    const { words } = pages;
    gl.texSubImage3D(
      TEXTURE_3D,
      0,
      0,
      0,
      0,
      width,
      height,
      depth,
      RED_INTEGER,
      UNSIGNED_INT,
      words,
    );
    this.shown = pages;
  }

  bind(): void {
    this.gl.bindTexture(this.gl.TEXTURE_3D, this.texture);
  }

  dispose(): void {
    if (this.texture !== null) this.gl.deleteTexture(this.texture);
    this.texture = null;
  }

  private allocate(size: Vec3): void {
    const { gl } = this;
    this.dispose();
    this.texture = makeTexture(gl, gl.TEXTURE_3D);
    this.allocated = map3((a) => Math.ceil(Math.max(size[a], this.allocated[a]) / ROUND) * ROUND);
    gl.texStorage3D(gl.TEXTURE_3D, 1, gl.R32UI, ...(this.allocated as [number, number, number]));
  }
}
