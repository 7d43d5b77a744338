import type { TextureKind } from "../voxels.ts";
import { COLOR_FRAGMENT } from "./color.glsl.ts";
import { LOOKUP } from "./lookup.glsl.ts";
import { PLANE_FRAGMENT, SHADER_LEVELS } from "./plane.glsl.ts";
import { SEGMENTATION_FRAGMENT } from "./segmentation.glsl.ts";

export { PLANE_VERTEX, SHADER_LEVELS } from "./plane.glsl.ts";

/** The fragment shader for layers whose bricks lie in one kind of texture. */
export function fragmentShader(kind: TextureKind, isSegmentation: boolean): string {
  return `#version 300 es
precision highp float;
precision highp int;
#define SHADER_LEVELS ${SHADER_LEVELS}
uniform highp ${kind.sampler} uAtlas;
${LOOKUP}
${PLANE_FRAGMENT}
${isSegmentation ? readId(kind) : readTexel(kind)}
${isSegmentation ? SEGMENTATION_FRAGMENT : COLOR_FRAGMENT}`;
}

const TEXEL = "texelFetch(uAtlas, at, 0)";

/** The value of a voxel as a colour; a single channel is grey. */
function readTexel(kind: TextureKind): string {
  if (kind.isRgb) return `vec3 readTexel(ivec3 at) { return vec3(${TEXEL}.rgb); }`;
  if (kind.is64) {
    const high = kind.isSigned ? "float(int(words.g))" : "float(words.g)";
    return `vec3 readTexel(ivec3 at) {
  uvec4 words = ${TEXEL};
  return vec3(${high} * 4294967296.0 + float(words.r));
}`;
  }
  if (kind.sampler !== "sampler3D") return `vec3 readTexel(ivec3 at) { return vec3(${TEXEL}.r); }`;
  // What is no number is drawn as the darkest value; infinities must not turn into such by interpolation.
  return `uniform float uNotANumber;
vec3 readTexel(ivec3 at) {
  float value = ${TEXEL}.r;
  return vec3(isnan(value) ? uNotANumber : clamp(value, -1e37, 1e37));
}`;
}

/** The id of a voxel in two words; signed ids are taken as unsigned ones of the same width. */
function readId(kind: TextureKind): string {
  if (kind.is64) return `uvec2 readId(ivec3 at) { return ${TEXEL}.rg; }`;
  const mask = kind.bytes === 4 ? "0xffffffffu" : kind.bytes === 2 ? "0xffffu" : "0xffu";
  return `uvec2 readId(ivec3 at) { return uvec2(uint(${TEXEL}.r) & ${mask}, 0u); }`;
}
