/** A segmentation layer: exact ids of 64 bits in two words, coloured as `segmentColor.ts` does; 0 is nothing. */
export const SEGMENTATION_FRAGMENT = `
uniform float uOpacity;
uniform uvec2 uHovered; // low, high; 0: none

out vec4 fragColor;

vec3 hsv(float hue, float saturation, float value) {
  vec3 k = mod(vec3(5.0, 3.0, 1.0) + hue * 6.0, 6.0);
  return value * (1.0 - saturation * clamp(min(k, 4.0 - k), 0.0, 1.0));
}

vec3 segmentColor(uvec2 id) {
  uint h = id.x * 0x9e3779b1u ^ id.y * 0x85ebca77u;
  h ^= h >> 16;
  h *= 0x7feb352du;
  h ^= h >> 15;
  h *= 0x846ca68bu;
  h ^= h >> 16;
  return hsv(
    float(h & 0xffffu) / 65536.0,
    0.55 + 0.45 * float((h >> 16) & 0xffu) / 255.0,
    0.75 + 0.25 * float(h >> 24) / 255.0);
}

void main() {
  Found found;
  if (!findVoxel(found)) discard;
  vec4 color = vec4(0.0);
  if (found.hasVoxels) {
    uvec2 id = readId(atlasPlace(found.page, found.voxel));
    if (id != uvec2(0u)) {
      bool isHovered = id == uHovered;
      color = vec4(segmentColor(id), uOpacity);
      if (isHovered) color = vec4(mix(color.rgb, vec3(1.0), 0.3), min(1.0, uOpacity + 0.3));
    }
  }
  if (found.hasFailed && onStripe()) color = vec4(STRIPE, 0.5);
  if (color.a == 0.0) discard;
  fragColor = vec4(color.rgb * color.a, color.a);
}
`;
