import { MAX_PROBES, SLOT_FAILED, SLOT_MISSING } from "./gpu/hashTable.ts";
import type { TextureKind } from "./voxels.ts";

export const MAX_LEVELS = 4;

export const VERTEX_SHADER = `#version 300 es
// One triangle that covers the panel.
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

export interface ShaderVariant {
  kind: TextureKind;
  isSegmentation: boolean;
}

export function variantKey({ kind, isSegmentation }: ShaderVariant): string {
  return `${kind.internalFormat}/${kind.sampler}/${isSegmentation}`;
}

/** The fragment shader for one kind of texture. See README.md for the way from a pixel to a voxel. */
export function fragmentShader({ kind, isSegmentation }: ShaderVariant): string {
  const scalar =
    kind.sampler === "usampler3D" ? "uint" : kind.sampler === "isampler3D" ? "int" : "float";
  return `#version 300 es
precision highp float;
precision highp int;
precision highp ${kind.sampler};
precision highp usampler2D;

uniform ${kind.sampler} atlas;
uniform ivec3 atlasSlots;
uniform usampler2D table;
uniform int tableMask;
uniform int tableWidth;

uniform vec2 panelOrigin;   // device pixels, y up
uniform float panelHeight;
uniform ivec3 base;         // whole mag-1 voxels: keeps floats small and exact far from the origin
uniform vec3 offset;        // of the panel's top left pixel corner from base
uniform vec3 stepU;
uniform vec3 stepV;
uniform ivec3 boxMin;
uniform ivec3 boxMax;
uniform ivec3 axes;         // u, v, w

uniform int levels;
uniform ivec3 mags[${MAX_LEVELS}];
uniform int levelIds[${MAX_LEVELS}];

uniform bool interpolate;
uniform bool missingIsBlack;
uniform vec3 color;
uniform float opacity;
uniform vec2 window;
uniform float gammaValue;
uniform bool inverted;
uniform uvec2 hovered;

out vec4 result;

const int MISSING = ${SLOT_MISSING};
const int FAILED = ${SLOT_FAILED};

ivec3 floorDiv(ivec3 a, ivec3 b) {
  ivec3 q = a / b;
  return q - ivec3(lessThan(a - q * b, ivec3(0)));
}

int findSlot(int level, ivec3 brick) {
  uvec3 key = uvec3(brick);
  uint h = key.x * 0x9e3779b1u ^ key.y * 0x85ebca77u ^ key.z * 0xc2b2ae3du;
  h ^= uint(level) * 0x27d4eb2fu;
  h ^= h >> 15;
  h *= 0x2c1b3c6du;
  h ^= h >> 12;
  int at = int(h & uint(tableMask));
  for (int i = 0; i < ${MAX_PROBES}; i++) {
    uvec4 entry = texelFetch(table, ivec2(at % tableWidth, at / tableWidth), 0);
    if (entry.w == 0u) return -1;
    if (entry.xyz == key && int((entry.w >> 24) & 0x7fu) == level) return int(entry.w & 0xffffffu);
    at = (at + 1) & tableMask;
  }
  return -1;
}

${scalar === "uint" ? "uvec4" : scalar === "int" ? "ivec4" : "vec4"} texel(int slot, ivec3 inside) {
  ivec3 place = ivec3(slot % atlasSlots.x, (slot / atlasSlots.x) % atlasSlots.y, slot / (atlasSlots.x * atlasSlots.y));
  return texelFetch(atlas, place * 32 + inside, 0);
}

${isSegmentation ? segmentationPart(kind) : colorPart(kind)}

void main() {
  vec2 pixel = gl_FragCoord.xy - panelOrigin;
  vec3 place = offset + stepU * pixel.x + stepV * (panelHeight - pixel.y);
  ivec3 voxel = base + ivec3(floor(place));
  if (any(lessThan(voxel, boxMin)) || any(greaterThanEqual(voxel, boxMax))) discard;
  for (int i = 0; i < levels; i++) {
    ivec3 v = floorDiv(voxel, mags[i]);
    ivec3 brick = v >> 5;
    int slot = findSlot(levelIds[i], brick);
    if (slot == -1) continue;
    if (slot == FAILED) {
      // Neither black nor a value: diagonal stripes say that something is wrong here.
      float stripe = mod(gl_FragCoord.x + gl_FragCoord.y, 12.0) < 6.0 ? 0.55 : 0.3;
      result = vec4(stripe, stripe * 0.35, 0.1, 1.0);
      return;
    }
    if (slot == MISSING) {
      if (missingIsBlack) discard;
      continue;
    }
    result = shade(slot, v, place, i);
    return;
  }
  discard;
}`;
}

function colorPart(kind: TextureKind): string {
  const value = kind.isRgb
    ? "vec3(texel(slot, inside).rgb) "
    : kind.is64
      ? "vec3(float(texel(slot, inside).g) * 4294967296.0 + float(texel(slot, inside).r))"
      : "vec3(float(texel(slot, inside).r))";
  return `
vec3 valueIn(int slot, ivec3 inside) { return ${value}; }

// The value at a voxel of a level, or that of the middle one where its brick is not there.
vec3 valueAt(int level, ivec3 v, vec3 otherwise) {
  int slot = findSlot(levelIds[level], v >> 5);
  if (slot < 0 || slot >= FAILED) return slot == MISSING ? vec3(0.0) : otherwise;
  return valueIn(slot, v & 31);
}

vec3 sampled(int slot, ivec3 v, vec3 place, int level) {
  vec3 middle = valueIn(slot, v & 31);
  if (!interpolate) return middle;
  ivec3 mag = mags[level];
  ivec3 origin = floorDiv(base, mag);
  vec3 q = (place + vec3(base - origin * mag)) / vec3(mag);
  vec2 r = vec2(q[axes.x], q[axes.y]) - 0.5;
  vec2 f = fract(r);
  ivec3 lo = v;
  lo[axes.x] = origin[axes.x] + int(floor(r.x));
  lo[axes.y] = origin[axes.y] + int(floor(r.y));
  ivec3 first = floorDiv(boxMin, mag);
  ivec3 last = floorDiv(boxMax - 1, mag);
  ivec3 du = ivec3(0); du[axes.x] = 1;
  ivec3 dv = ivec3(0); dv[axes.y] = 1;
  vec3 a = valueAt(level, clamp(lo, first, last), middle);
  vec3 b = valueAt(level, clamp(lo + du, first, last), middle);
  vec3 c = valueAt(level, clamp(lo + dv, first, last), middle);
  vec3 d = valueAt(level, clamp(lo + du + dv, first, last), middle);
  return mix(mix(a, b, f.x), mix(c, d, f.x), f.y);
}

vec4 shade(int slot, ivec3 v, vec3 place, int level) {
  vec3 raw = sampled(slot, v, place, level);
  float width = window.y - window.x;
  vec3 t = width > 0.0 ? clamp((raw - window.x) / width, 0.0, 1.0) : step(vec3(window.x), raw);
  if (inverted) t = 1.0 - t;
  t = pow(t, vec3(gammaValue));
  return vec4(t * color, opacity);
}`;
}

function segmentationPart(kind: TextureKind): string {
  const id = kind.is64
    ? "texel(slot, v & 31).rg"
    : kind.sampler === "isampler3D"
      ? "uvec2(uint(texel(slot, v & 31).r), texel(slot, v & 31).r < 0 ? 0xffffffffu : 0u)"
      : "uvec2(uint(texel(slot, v & 31).r), 0u)";
  return `
vec3 hsv(float hue, float saturation, float value) {
  vec3 k = mod(vec3(5.0, 3.0, 1.0) + hue * 6.0, 6.0);
  return value * (1.0 - saturation * clamp(min(k, 4.0 - k), 0.0, 1.0));
}

vec3 segmentColor(uvec2 id) {
  uint h = id.x * 0x9e3779b1u ^ id.y * 0x85ebca77u;
  h ^= h >> 16; h *= 0x7feb352du;
  h ^= h >> 15; h *= 0x846ca68bu;
  h ^= h >> 16;
  return hsv(float(h & 0xffffu) / 65536.0, 0.55 + 0.45 * float((h >> 16) & 0xffu) / 255.0, 0.75 + 0.25 * float(h >> 24) / 255.0);
}

vec4 shade(int slot, ivec3 v, vec3 place, int level) {
  uvec2 id = ${id};
  if (id == uvec2(0u)) discard;
  vec3 rgb = segmentColor(id);
  bool isHovered = id == hovered;
  return vec4(isHovered ? mix(rgb, vec3(1.0), 0.35) : rgb, isHovered ? min(1.0, opacity + 0.25) : opacity);
}`;
}
