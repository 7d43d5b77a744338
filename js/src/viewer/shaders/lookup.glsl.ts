/**
 * From a brick's address to its slot in the atlas: the same hashes as `gpu/lookupTable.ts`. Gives the entry's last
 * word (status, level, slot), or 0 where nothing is known of the brick.
 */
export const LOOKUP = `
uniform highp usampler2D uTable;
uniform uint uTableMask;
uniform int uTableShift; // the table texture is 2^shift texels wide

const uint OK = 1u;
const uint MISSING = 2u;
const uint FAILED = 3u;

uint finish(uint h) {
  h ^= h >> 15;
  h *= 0x2c1b3c6du;
  h ^= h >> 12;
  h *= 0x297a2d39u;
  return h ^ (h >> 15);
}

uint cellWord(uint hash, uvec3 key, uint level) {
  int cell = int(finish(hash) & uTableMask);
  uvec4 entry = texelFetch(uTable, ivec2(cell & ((1 << uTableShift) - 1), cell >> uTableShift), 0);
  return entry.xyz == key && ((entry.w >> 24) & 63u) == level ? entry.w : 0u;
}

uint findBrick(ivec3 brick, uint level) {
  uvec3 k = uvec3(brick);
  uint word = cellWord(
    k.x * 0x9e3779b1u ^ k.y * 0x85ebca77u ^ k.z * 0xc2b2ae3du ^ level * 0x27d4eb2fu, k, level);
  if (word != 0u) return word;
  return cellWord(
    k.x * 0x165667b1u + k.y * 0xd3a2646du + k.z * 0xfd7046c5u + level * 0xb55a4f09u, k, level);
}

uint statusOf(uint word) { return word >> 30; }

// Atlases are 8 by 8 by n slots of 32³ voxels.
ivec3 atlasPlace(uint word, ivec3 voxel) {
  int slot = int(word & 0xffffffu);
  return ((ivec3(slot, slot >> 3, slot >> 6) & ivec3(7, 7, -1)) << 5) + (voxel & 31);
}
`;
