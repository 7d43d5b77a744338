import type { TextureKind } from "../voxels.ts";
import { COLOR_FRAGMENT } from "./color.glsl.ts";
import { PAGES } from "./pages.glsl.ts";
import { PLANE_FRAGMENT, SHADER_LEVELS } from "./plane.glsl.ts";
import { SEGMENTATION_FRAGMENT } from "./segmentation.glsl.ts";

export { PLANE_VERTEX, SHADER_LEVELS } from "./plane.glsl.ts";

/** What a fragment shader is compiled for: software GPUs run all of a shader, also what a uniform turns off. */
export interface Variant {
  readonly kind: TextureKind;
  readonly isSegmentation: boolean;
  readonly interpolate: boolean;
  readonly gamma: boolean;
}

export function variantKey({ kind, isSegmentation, interpolate, gamma }: Variant): string {
  return [kind.internalFormat, kind.isSigned, isSegmentation, interpolate, gamma].join(" ");
}

export function fragmentShader({ kind, isSegmentation, interpolate, gamma }: Variant): string {
  return `#version 300 es
precision highp float;
precision highp int;
#define SHADER_LEVELS ${SHADER_LEVELS}
#define VALUE ${kind.isRgb ? "vec3" : "float"}
${interpolate ? "#define INTERPOLATE" : ""}
${gamma ? "#define GAMMA" : ""}
uniform highp ${kind.sampler} uAtlas;
${PAGES}
${PLANE_FRAGMENT}
${isSegmentation ? readId(kind) : readTexel(kind)}
${isSegmentation ? SEGMENTATION_FRAGMENT : COLOR_FRAGMENT}`;
}

const TEXEL = "texelFetch(uAtlas, at, 0)";

/** The value of a voxel. */
function readTexel(kind: TextureKind): string {
  if (kind.isRgb) return `vec3 readTexel(ivec3 at) { return vec3(${TEXEL}.rgb); }`;
  if (kind.is64) {
    const high = kind.isSigned ? "float(int(words.g))" : "float(words.g)";
    return `float readTexel(ivec3 at) {
  uvec4 words = ${TEXEL};
  return ${high} * 4294967296.0 + float(words.r);
}`;
  }
  if (kind.sampler !== "sampler3D") {
    return `float readTexel(ivec3 at) { return float(${TEXEL}.r); }`;
  }
  // What is no number is drawn as the darkest value; infinities must not turn into such by interpolation.
  return `uniform float uNotANumber;
float readTexel(ivec3 at) {
  float value = ${TEXEL}.r;
  return isnan(value) ? uNotANumber : clamp(value, -1e37, 1e37);
}`;
}

/** The id of a voxel in two words; signed ids are taken as unsigned ones of the same width. */
function readId(kind: TextureKind): string {
  if (kind.is64) return `uvec2 readId(ivec3 at) { return ${TEXEL}.rg; }`;
  const mask = kind.bytes === 4 ? "0xffffffffu" : kind.bytes === 2 ? "0xffffu" : "0xffu";
  return `uvec2 readId(ivec3 at) { return uvec2(uint(${TEXEL}.r) & ${mask}, 0u); }`;
}
