import { BRICK } from "../brickAddress.ts";
import type { LayerSpec } from "../types.ts";
import { FORMATS, type TextureKind, toTexels } from "../voxels.ts";
import { makeTexture } from "./texture.ts";

// Slots along x and y: 256 voxels, the least size of 3D textures that WebGL 2 promises.
const SIDE = 8;

/** Slots of 32³ voxels in a 3D texture, 8 by 8 by n; the shader counts them in the same way. */
export class Atlas {
  readonly texture: WebGLTexture;
  readonly capacity: number;
  /** False where the GPU had no room for it. */
  readonly isUsable: boolean;
  private readonly format: GLenum;
  private readonly type: GLenum;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly layer: LayerSpec,
    kind: TextureKind,
    slots: number,
  ) {
    const depth = Math.ceil(slots / SIDE ** 2);
    this.capacity = depth * SIDE ** 2;
    const [format, type] = FORMATS[kind.internalFormat];
    this.format = gl[format];
    this.type = gl[type];
    this.texture = makeTexture(gl, gl.TEXTURE_3D);
    const internal = gl[kind.internalFormat];
    gl.texStorage3D(gl.TEXTURE_3D, 1, internal, SIDE * BRICK, SIDE * BRICK, depth * BRICK);
    this.isUsable = gl.getError() !== gl.OUT_OF_MEMORY;
  }

  /** The most slots that the GPU allows and a number of bytes holds. */
  static limit(gl: WebGL2RenderingContext, kind: TextureKind, bytes: number): number {
    const deepest = Math.floor((gl.getParameter(gl.MAX_3D_TEXTURE_SIZE) as number) / BRICK);
    const affordable = Math.floor(bytes / (kind.bytes * BRICK ** 3) / SIDE ** 2);
    return Math.max(1, Math.min(deepest, affordable)) * SIDE ** 2;
  }

  upload(slot: number, data: ArrayBuffer): void {
    const { gl } = this;
    const x = (slot % SIDE) * BRICK;
    const y = (Math.floor(slot / SIDE) % SIDE) * BRICK;
    const z = Math.floor(slot / SIDE ** 2) * BRICK;
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const texels = toTexels(this.layer, data);
    const { format, type } = this;
    gl.texSubImage3D(gl.TEXTURE_3D, 0, x, y, z, BRICK, BRICK, BRICK, format, type, texels);
  }

  dispose(): void {
    this.gl.deleteTexture(this.texture);
  }
}
