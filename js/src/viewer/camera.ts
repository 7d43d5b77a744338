import { type Box, intersection } from "../core/box.ts";
import { map3, type Vec3 } from "../core/vec3.ts";
import { type Panel, type Plane, voxelsPerPixel } from "./planes.ts";

/** Where one looks: the voxel in the middle of every panel and how many voxels a CSS pixel spans. */
export interface Camera {
  readonly position: Vec3;
  readonly zoom: number;
}

const MIN_ZOOM = 0.005;
// How small a dataset may get: the whole of it within this share of what fits the panel.
const ZOOM_BEYOND_FIT = 8;

/** The zoom at which `box` just fits a panel of `plane`. */
export function fitZoom(
  box: Box,
  voxelSize: Vec3,
  plane: Plane,
  width: number,
  height: number,
): number {
  const perPixel = voxelsPerPixel(voxelSize, 1);
  const across = (box.max[plane.u] - box.min[plane.u]) / perPixel[plane.u] / Math.max(width, 1);
  const down = (box.max[plane.v] - box.min[plane.v]) / perPixel[plane.v] / Math.max(height, 1);
  return Math.max(across, down, MIN_ZOOM);
}

export function clampZoom(zoom: number, fit: number): number {
  const most = Math.max(fit, 1) * ZOOM_BEYOND_FIT;
  return Math.min(Math.max(zoom, MIN_ZOOM), most);
}

/** Move the picture by CSS pixels, as a drag does: the voxel under the pointer stays under it. */
export function panned(
  camera: Camera,
  plane: Plane,
  voxelSize: Vec3,
  dx: number,
  dy: number,
): Camera {
  const perPixel = voxelsPerPixel(voxelSize, camera.zoom);
  const position = map3((a) => {
    if (a === plane.u) return camera.position[a] - dx * perPixel[a];
    if (a === plane.v) return camera.position[a] - dy * perPixel[a];
    return camera.position[a];
  });
  return { ...camera, position };
}

/** Zoom so that `anchor`, a point in mag-1 voxels, keeps its place on the screen. */
export function zoomedAt(camera: Camera, zoom: number, anchor: Vec3): Camera {
  const share = zoom / camera.zoom;
  return { zoom, position: map3((a) => anchor[a] + (camera.position[a] - anchor[a]) * share) };
}

/**
 * Step through slices. `step` is the thickness of a shown slice in mag-1 voxels: at a coarse mag a step of one
 * would show the same slice again. The slices of a mag begin at multiples of it.
 */
export function sliced(camera: Camera, plane: Plane, step: number, count: number): Camera {
  const slice = Math.floor(camera.position[plane.w] / step);
  const position = map3((a) => (a === plane.w ? (slice + count) * step : camera.position[a]));
  return { ...camera, position };
}

/** Keep the position within the voxels of `box`, so that nobody pans into nowhere. */
export function keptInside(position: Vec3, box: Box): Vec3 {
  return map3((a) => Math.max(Math.min(position[a], box.max[a] - 1), box.min[a]));
}

/** The numbers with which a shader finds the voxel of a pixel; see README.md on precision. */
export interface PixelToVoxel {
  /** Whole mag-1 voxels. */
  base: Vec3;
  /** From `base` to the window's lower left pixel corner. */
  offset: Vec3;
  /** Per device pixel to the right, and upwards. */
  right: Vec3;
  up: Vec3;
}

export interface DeviceRect {
  x: number;
  /** From the bottom, as GL counts. */
  y: number;
  width: number;
  height: number;
}

/** A panel in device pixels of a canvas that is `canvasHeight` device pixels high. */
export function deviceRect(panel: Panel, ratio: number, canvasHeight: number): DeviceRect {
  const { left, top, width, height } = panel.rect;
  const x = Math.round(left * ratio);
  const upper = Math.round(top * ratio);
  const lower = Math.round((top + height) * ratio);
  return {
    x,
    y: canvasHeight - lower,
    width: Math.round((left + width) * ratio) - x,
    height: lower - upper,
  };
}

export function pixelToVoxel(
  plane: Plane,
  rect: DeviceRect,
  position: Vec3,
  perDevicePixel: Vec3,
): PixelToVoxel {
  const base = map3((a) => Math.floor(position[a]));
  const right = map3((a) => (a === plane.u ? perDevicePixel[a] : 0));
  const up = map3((a) => (a === plane.v ? -perDevicePixel[a] : 0));
  const centerX = rect.x + rect.width / 2;
  const centerY = rect.y + rect.height / 2;
  const offset = map3((a) => position[a] - base[a] - centerX * right[a] - centerY * up[a]);
  return { base, offset, right, up };
}

/** Where a layer's box lies within a panel, in device pixels; null where the panel shows none of it. */
export function boxOnPanel(
  box: Box,
  plane: Plane,
  rect: DeviceRect,
  position: Vec3,
  perDevicePixel: Vec3,
): DeviceRect | null {
  const through = Math.floor(position[plane.w]);
  if (through < box.min[plane.w] || through >= box.max[plane.w]) return null;
  const centerX = rect.x + rect.width / 2;
  const centerY = rect.y + rect.height / 2;
  const atX = (voxel: number) => centerX + (voxel - position[plane.u]) / perDevicePixel[plane.u];
  const atY = (voxel: number) => centerY - (voxel - position[plane.v]) / perDevicePixel[plane.v];
  const shown = intersection(
    { min: [rect.x, rect.y, 0], max: [rect.x + rect.width, rect.y + rect.height, 1] },
    {
      min: [Math.floor(atX(box.min[plane.u])), Math.floor(atY(box.max[plane.v])), 0],
      max: [Math.ceil(atX(box.max[plane.u])), Math.ceil(atY(box.min[plane.v])), 1],
    },
  );
  if (shown === null) return null;
  const [x, y] = shown.min;
  return { x, y, width: shown.max[0] - x, height: shown.max[1] - y };
}
