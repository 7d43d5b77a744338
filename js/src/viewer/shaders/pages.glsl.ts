import { PAGE } from "../gpu/pages.ts";

/** From a brick of the wanted level to the slot of the atlas that is drawn there; see `gpu/pages.ts`. */
export const PAGES = `
uniform highp usampler3D uPages;
uniform ivec3 uPageMin;
uniform ivec3 uPageSize;

const uint HAS_VOXELS = ${PAGE.hasVoxels}u;
const uint IS_MISSING = ${PAGE.isMissing}u;
const uint HAS_FAILED = ${PAGE.hasFailed}u;

/** The page of a voxel of the wanted level. */
uint pageOf(ivec3 voxel) {
  ivec3 cell = (voxel >> 5) - uPageMin;
  if (any(lessThan(cell, ivec3(0))) || any(greaterThanEqual(cell, uPageSize))) return 0u;
  return texelFetch(uPages, cell, 0).r;
}

int levelOf(uint page) { return int(page >> ${PAGE.slotBits}) & ${(1 << PAGE.levelBits) - 1}; }

// Atlases are 8 by 8 by n slots of 32³ voxels.
ivec3 atlasPlace(uint page, ivec3 voxel) {
  int slot = int(page & ${(1 << PAGE.slotBits) - 1}u);
  return ((ivec3(slot, slot >> 3, slot >> 6) & ivec3(7, 7, -1)) << 5) + (voxel & 31);
}
`;
