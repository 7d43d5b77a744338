import type { Axis, Vec3 } from "../core/vec3.ts";

/** A plane of the dataset as one panel shows it: `u` runs right, `v` runs down, `w` is the way through. */
export interface Plane {
  readonly id: "xy" | "yz" | "xz";
  readonly u: Axis;
  readonly v: Axis;
  readonly w: Axis;
  readonly color: string;
}

/** The colours and directions are those that WEBKNOSSOS's users know. */
export const PLANES: readonly Plane[] = [
  { id: "xy", u: 0, v: 1, w: 2, color: "#eb4b98" },
  { id: "yz", u: 2, v: 1, w: 0, color: "#5660ff" },
  { id: "xz", u: 0, v: 2, w: 1, color: "#59f8e8" },
];

export function planeOf(id: Plane["id"]): Plane {
  return PLANES.find((plane) => plane.id === id) ?? (PLANES[0] as Plane);
}

/** A panel's place in the element, in CSS pixels. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Panel {
  plane: Plane;
  rect: Rect;
}

export interface Layout {
  panels: Panel[];
  /** The quarter that no plane takes; null where one panel fills all. */
  rest: Rect | null;
}

const GAP = 4;

/**
 * Where the panels go, as in WEBKNOSSOS: xy at the top left, yz beside it, xz below, so that an axis which two
 * panels share lies at the same place in both. One panel fills all when it is maximised, or for flat data.
 */
export function layoutPanels(width: number, height: number, only: Plane["id"] | null): Layout {
  if (only !== null) {
    const rect = { left: 0, top: 0, width, height };
    return { panels: [{ plane: planeOf(only), rect }], rest: null };
  }
  const columns = halves(width);
  const rows = halves(height);
  const at = (column: 0 | 1, row: 0 | 1): Rect => ({
    left: columns[column].from,
    width: columns[column].length,
    top: rows[row].from,
    height: rows[row].length,
  });
  const panels = [
    { plane: planeOf("xy"), rect: at(0, 0) },
    { plane: planeOf("yz"), rect: at(1, 0) },
    { plane: planeOf("xz"), rect: at(0, 1) },
  ];
  return { panels, rest: at(1, 1) };
}

type Part = { from: number; length: number };

function halves(length: number): [Part, Part] {
  const first = Math.max(1, Math.floor((length - GAP) / 2));
  const second = Math.max(1, length - GAP - first);
  return [
    { from: 0, length: first },
    { from: first + GAP, length: second },
  ];
}

export function panelAt(panels: readonly Panel[], x: number, y: number): Panel | null {
  const inside = ({ rect }: Panel) =>
    x >= rect.left && x < rect.left + rect.width && y >= rect.top && y < rect.top + rect.height;
  return panels.find(inside) ?? null;
}

/** How many mag-1 voxels along each axis one CSS pixel spans: pixels are square in physical space. */
export function voxelsPerPixel(voxelSize: Vec3, zoom: number): Vec3 {
  const finest = Math.min(...voxelSize);
  return [
    (zoom * finest) / voxelSize[0],
    (zoom * finest) / voxelSize[1],
    (zoom * finest) / voxelSize[2],
  ];
}

/** The place in the dataset, in mag-1 voxels, that lies under a point of a panel. */
export function pointToVoxel(
  panel: Panel,
  x: number,
  y: number,
  position: Vec3,
  perPixel: Vec3,
): Vec3 {
  const { plane, rect } = panel;
  const point: [number, number, number] = [position[0], position[1], position[2]];
  point[plane.u] += (x - rect.left - rect.width / 2) * perPixel[plane.u];
  point[plane.v] += (y - rect.top - rect.height / 2) * perPixel[plane.v];
  return point;
}
