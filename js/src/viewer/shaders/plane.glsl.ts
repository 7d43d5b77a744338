import { FALLBACK_MAGS } from "../neededBricks.ts";

/** The mags that a fragment may be drawn from: the wanted one and its stand-ins. */
export const SHADER_LEVELS = FALLBACK_MAGS + 1;

export const STAND_INS = Array.from({ length: FALLBACK_MAGS }, (_, i) => i + 1);

/** One triangle that covers the viewport. */
export const PLANE_VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

/**
 * From a pixel to the voxel under it, in the finest mag that is on the GPU. Floats only ever hold distances from
 * the middle of the view; whole voxels are integers, so that pictures stay exact far from voxel 0.
 */
export const PLANE_FRAGMENT = `
uniform ivec3 uBase;   // whole mag-1 voxels
uniform vec3 uOffset;  // from uBase to the window's lower left corner
uniform vec3 uRight;   // per device pixel
uniform vec3 uUp;
uniform vec3 uAxisU;   // unit vectors of the plane
uniform vec3 uAxisV;
uniform ivec3 uBoxMin;
uniform ivec3 uBoxMax;
uniform ivec3 uMag[${SHADER_LEVELS}];     // the wanted one first
uniform ivec3 uMagBase[${SHADER_LEVELS}]; // uBase in voxels of the mag
uniform vec3 uMagRest[${SHADER_LEVELS}];  // and what is left of it, in mag-1 voxels
uniform bool uMissingIsBlack;
uniform float uHatch;   // the width of the stripes on failed bricks, in device pixels

struct Found {
  uint page;
  int level;        // index into uMag
  ivec3 base;       // uMagBase of the level
  vec3 place;       // within the mag, from base
  ivec3 voxel;
  bool hasVoxels;
  bool hasFailed;
};

vec3 placeInMag(vec3 rel, int level) {
  return (uMagRest[level] + rel) / vec3(uMag[level]);
}

/** False where the layer has nothing at this pixel. */
bool findVoxel(out Found found) {
  vec3 rel = uOffset + uRight * gl_FragCoord.x + uUp * gl_FragCoord.y;
  ivec3 world = uBase + ivec3(floor(rel));
  if (any(lessThan(world, uBoxMin)) || any(greaterThanEqual(world, uBoxMax))) return false;
  vec3 place = placeInMag(rel, 0);
  ivec3 base = uMagBase[0];
  uint page = pageOf(base + ivec3(floor(place)));
  int level = levelOf(page);
  // Not indexed by the level, which differs from pixel to pixel: that is slow on software GPUs.
${STAND_INS.map((k) => `  if (level == ${k}) { place = placeInMag(rel, ${k}); base = uMagBase[${k}]; }`).join("\n")}
  bool isBlack = uMissingIsBlack && (page & IS_MISSING) != 0u;
  found.page = page;
  found.level = level;
  found.base = base;
  found.place = place;
  found.voxel = base + ivec3(floor(place));
  found.hasVoxels = (page & HAS_VOXELS) != 0u && !isBlack;
  found.hasFailed = (page & HAS_FAILED) != 0u;
  return isBlack || found.hasVoxels || found.hasFailed;
}

bool onStripe() {
  return mod(gl_FragCoord.x + gl_FragCoord.y, uHatch) < uHatch * 0.5;
}

const vec3 STRIPE = vec3(0.93, 0.45, 0.13);
`;
