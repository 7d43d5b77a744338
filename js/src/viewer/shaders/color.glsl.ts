import { STAND_INS } from "./plane.glsl.ts";

/** A colour layer: window, gamma, inversion, colour; bilinear in the plane where it is asked for. */
export const COLOR_FRAGMENT = `
uniform vec2 uWindow; // lower end, and 1 / width
uniform float uGamma;
uniform bool uInvert;
uniform vec3 uColor;

out vec4 fragColor;

#ifdef INTERPOLATE
uniform ivec3 uVoxelMin[SHADER_LEVELS]; // of the layer's box, in voxels of the mag
uniform ivec3 uVoxelMax[SHADER_LEVELS]; // inclusive

VALUE valueOf(Found found) {
  vec3 q = found.place - 0.5 * (uAxisU + uAxisV);
  vec3 whole = floor(q);
  ivec3 first = found.base + ivec3(whole);
  vec2 f = vec2(dot(q - whole, uAxisU), dot(q - whole, uAxisV));
  ivec3 low = uVoxelMin[0];
  ivec3 high = uVoxelMax[0];
  ivec3 toWanted = ivec3(1);
${STAND_INS.map(
  (k) => `  if (found.level == ${k}) {
    low = uVoxelMin[${k}];
    high = uVoxelMax[${k}];
    toWanted = uMag[${k}] / uMag[0];
  }`,
).join("\n")}
  VALUE sum = VALUE(0.0);
  float weights = 0.0;
  for (int i = 0; i < 4; i++) {
    vec2 corner = vec2(float(i & 1), float(i >> 1));
    vec2 w = mix(1.0 - f, f, corner);
    ivec3 voxel = first + ivec3(uAxisU * corner.x + uAxisV * corner.y);
    voxel = clamp(voxel, low, high);
    bool isSame = (voxel >> 5) == (found.voxel >> 5);
    uint page = isSame ? found.page : pageOf(voxel * toWanted);
    bool isHere = (page & HAS_VOXELS) != 0u && levelOf(page) == found.level;
    bool isBlack = uMissingIsBlack && (page & IS_MISSING) != 0u;
    // Where the neighbour is not there, the voxels that are there stand for it.
    float weight = isHere || isBlack ? w.x * w.y : 0.0;
    weights += weight;
    if (isHere && !isBlack) sum += readTexel(atlasPlace(page, voxel)) * weight;
  }
  return sum / weights;
}
#else
VALUE valueOf(Found found) {
  return readTexel(atlasPlace(found.page, found.voxel));
}
#endif

vec3 shade(VALUE value) {
  VALUE t = clamp((value - uWindow.x) * uWindow.y, 0.0, 1.0);
#ifdef GAMMA
  t = pow(t, VALUE(uGamma));
#endif
  return (uInvert ? 1.0 - t : t) * uColor;
}

void main() {
  Found found;
  if (!findVoxel(found)) discard;
  vec3 color = shade(found.hasVoxels ? valueOf(found) : VALUE(0.0));
  if (found.hasFailed) {
    if (!found.hasVoxels) color = vec3(0.0);
    if (onStripe()) color = mix(color, STRIPE, 0.6);
  }
  fragColor = vec4(color, 1.0);
}
`;
