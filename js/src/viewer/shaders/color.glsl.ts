/** A colour layer: window, gamma, inversion, colour; bilinear in the plane where it is asked for. */
export const COLOR_FRAGMENT = `
uniform bool uInterpolate;
uniform ivec3 uVoxelMin[SHADER_LEVELS]; // of the layer's box, in voxels of the mag
uniform ivec3 uVoxelMax[SHADER_LEVELS]; // inclusive
uniform vec2 uWindow; // lower end, and 1 / width
uniform float uGamma;
uniform bool uInvert;
uniform vec3 uColor;

out vec4 fragColor;

vec3 voxelAt(uint word, ivec3 voxel) {
  return readTexel(atlasPlace(word, voxel));
}

vec3 interpolated(Found found) {
  vec3 q = found.place - 0.5 * (uAxisU + uAxisV);
  ivec3 first = uMagBase[found.level] + ivec3(floor(q));
  vec2 f = vec2(dot(fract(q), uAxisU), dot(fract(q), uAxisV));
  ivec3 brick = found.voxel >> 5;
  vec4 sum = vec4(0.0);
  for (int i = 0; i < 4; i++) {
    vec2 corner = vec2(float(i & 1), float(i >> 1));
    vec2 w = mix(1.0 - f, f, corner);
    ivec3 voxel = first + ivec3(uAxisU * corner.x + uAxisV * corner.y);
    voxel = clamp(voxel, uVoxelMin[found.level], uVoxelMax[found.level]);
    uint word = found.word;
    if ((voxel >> 5) != brick) {
      word = findBrick(voxel >> 5, uLevel[found.level]);
      // Where the neighbour is not there, the voxels that are there stand for it.
      if (statusOf(word) == MISSING && uMissingIsBlack) sum.a += w.x * w.y;
      if (statusOf(word) != OK) continue;
    }
    sum += vec4(voxelAt(word, voxel), 1.0) * w.x * w.y;
  }
  return sum.rgb / sum.a;
}

vec3 shade(vec3 value) {
  vec3 t = clamp((value - uWindow.x) * uWindow.y, 0.0, 1.0);
  t = pow(t, vec3(uGamma));
  return (uInvert ? 1.0 - t : t) * uColor;
}

void main() {
  Found found;
  if (!findVoxel(found)) discard;
  vec3 color = vec3(0.0);
  if (found.word != 0u) {
    color = shade(uInterpolate ? interpolated(found) : voxelAt(found.word, found.voxel));
  } else if (found.isMissing) {
    color = shade(vec3(0.0));
  }
  if (found.hasFailed && onStripe()) color = mix(color, STRIPE, 0.6);
  fragColor = vec4(color, 1.0);
}
`;
