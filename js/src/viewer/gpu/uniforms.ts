import type { Box } from "../../core/box.ts";
import { map3, type Vec3 } from "../../core/vec3.ts";
import type { PixelToVoxel } from "../camera.ts";
import type { LayerView } from "../layerView.ts";
import type { Plane } from "../planes.ts";
import { SHADER_LEVELS } from "../shaders/index.ts";
import type { LayerState } from "../types.ts";
import type { LayerTextures } from "./layerTextures.ts";
import type { Program } from "./program.ts";

export const ATLAS_UNIT = 0;
export const PAGE_UNIT = 1;

/** Where a layer's bricks lie. */
export function setTextures(gl: WebGL2RenderingContext, program: Program, textures: LayerTextures) {
  textures.bind(ATLAS_UNIT, PAGE_UNIT);
  gl.uniform1i(program.place("uAtlas"), ATLAS_UNIT);
  gl.uniform1i(program.place("uPages"), PAGE_UNIT);
  gl.uniform3i(program.place("uPageMin"), ...textures.pages.min);
  gl.uniform3i(program.place("uPageSize"), ...textures.pages.size);
}

/** From pixels to the voxels of a plane. */
export function setPlane(
  gl: WebGL2RenderingContext,
  program: Program,
  plane: Plane,
  at: PixelToVoxel,
): void {
  gl.uniform3i(program.place("uBase"), ...at.base);
  gl.uniform3f(program.place("uOffset"), ...at.offset);
  gl.uniform3f(program.place("uRight"), ...at.right);
  gl.uniform3f(program.place("uUp"), ...at.up);
  gl.uniform3f(program.place("uAxisU"), ...map3((a) => (a === plane.u ? 1 : 0)));
  gl.uniform3f(program.place("uAxisV"), ...map3((a) => (a === plane.v ? 1 : 0)));
}

/** The mags to draw from, the layer's box. */
export function setLevels(
  gl: WebGL2RenderingContext,
  program: Program,
  { spec, box, level }: LayerView,
  base: Vec3,
): void {
  const mags = spec.mags.slice(level, level + SHADER_LEVELS);
  const bases = mags.map((mag) => map3((a) => Math.floor(base[a] / mag[a])));
  const rests = mags.map((mag, i) => map3((a) => base[a] - (bases[i] as Vec3)[a] * mag[a]));
  const boxes: Box[] = mags.map((mag) => ({
    min: map3((a) => Math.floor(box.min[a] / mag[a])),
    max: map3((a) => Math.ceil(box.max[a] / mag[a]) - 1),
  }));
  gl.uniform3i(program.place("uBoxMin"), ...box.min);
  gl.uniform3i(program.place("uBoxMax"), ...box.max);
  gl.uniform3iv(program.place("uMag"), mags.flat());
  gl.uniform3iv(program.place("uMagBase"), bases.flat());
  gl.uniform3fv(program.place("uMagRest"), rests.flat());
  gl.uniform3iv(
    program.place("uVoxelMin"),
    boxes.flatMap((b) => [...b.min]),
  );
  gl.uniform3iv(
    program.place("uVoxelMax"),
    boxes.flatMap((b) => [...b.max]),
  );
}

/** How a colour layer is shown. */
export function setColor(
  gl: WebGL2RenderingContext,
  program: Program,
  look: LayerState,
  range: readonly [number, number],
  opacity: number,
): void {
  const [low, high] = range;
  const width = high - low;
  // An empty window is a threshold.
  gl.uniform2f(program.place("uWindow"), low, width > 0 ? 1 / width : 1e20);
  gl.uniform1f(program.place("uNotANumber"), low);
  gl.uniform1f(program.place("uGamma"), 1 / Math.max(look.gamma, 0.01));
  gl.uniform1i(program.place("uInvert"), look.inverted ? 1 : 0);
  gl.uniform3f(program.place("uColor"), ...map3((a) => (look.color[a] / 255) * opacity));
}

/** How a segmentation layer is shown. `hovered` is an id of 64 bits, 0 for none. */
export function setSegmentation(
  gl: WebGL2RenderingContext,
  program: Program,
  opacity: number,
  hovered: bigint,
): void {
  gl.uniform1f(program.place("uOpacity"), opacity);
  gl.uniform2ui(
    program.place("uHovered"),
    Number(hovered & 0xffffffffn),
    Number((hovered >> 32n) & 0xffffffffn),
  );
}
