import { Disposer } from "../core/disposable.ts";
import { map3, type Vec3, withAxis } from "../core/vec3.ts";
import { type Panel, type Plane, panelAt, pointToVoxel } from "./planes.ts";

/** What the controls move; the viewer implements it. */
export interface Controls {
  panels(): readonly Panel[];
  position(): Vec3;
  perPixel(): Vec3;
  zoom(): number;
  moveTo(position: Vec3): void;
  zoomTo(zoom: number): void;
  hover(voxel: Vec3 | null): void;
  maximise(plane: Plane["id"] | null): void;
  maximised(): Plane["id"] | null;
  toggleSegmentation(): void;
}

const ZOOM_STEP = 1.1;
const KEY_PAN_PIXELS = 24;
const MANY_SLICES = 5;

/**
 * Mouse and keys, as WEBKNOSSOS's users know them. The wheel moves through slices only while the viewer
 * has the focus, so that scrolling a notebook past it does not get caught.
 */
export function attachInput(root: HTMLElement, controls: Controls): Disposer {
  const disposer = new Disposer();
  let active: Plane["id"] = "xy";
  let drag: { id: number; x: number; y: number; panel: Panel } | null = null;

  const at = (event: MouseEvent): { x: number; y: number; panel: Panel | null } => {
    const rect = root.getBoundingClientRect();
    const x = event.clientX - rect.left;
    const y = event.clientY - rect.top;
    return { x, y, panel: panelAt(controls.panels(), x, y) };
  };

  disposer.listen(root, "pointerdown", (event) => {
    root.focus({ preventScroll: true });
    const { x, y, panel } = at(event);
    if (panel === null || (event.button !== 0 && event.button !== 1)) return;
    active = panel.plane.id;
    drag = { id: event.pointerId, x, y, panel };
    root.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  disposer.listen(root, "pointermove", (event) => {
    const { x, y, panel } = at(event);
    if (drag !== null && drag.id === event.pointerId) {
      const { u, v } = drag.panel.plane;
      const scale = controls.perPixel();
      const moved: [number, number, number] = [...controls.position()] as [number, number, number];
      moved[u] -= (x - drag.x) * scale[u];
      moved[v] -= (y - drag.y) * scale[v];
      drag = { ...drag, x, y };
      controls.moveTo(moved);
    }
    if (panel !== null) active = panel.plane.id;
    controls.hover(
      panel === null ? null : pointToVoxel(panel, x, y, controls.position(), controls.perPixel()),
    );
  });
  const stop = (event: PointerEvent) => {
    if (drag?.id === event.pointerId) drag = null;
  };
  disposer.listen(root, "pointerup", stop);
  disposer.listen(root, "pointercancel", stop);
  disposer.listen(root, "pointerleave", () => controls.hover(null));

  disposer.listen(root, "dblclick", (event) => {
    const { x, y, panel } = at(event);
    if (panel === null) return;
    controls.moveTo(pointToVoxel(panel, x, y, controls.position(), controls.perPixel()));
  });

  disposer.listen(
    root,
    "wheel",
    (event) => {
      const hasFocus = root.contains(document.activeElement);
      if (!hasFocus && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { x, y, panel } = at(event);
      if (panel === null || event.deltaY === 0) return;
      const direction = Math.sign(event.deltaY);
      if (event.ctrlKey || event.metaKey) {
        zoomAround(controls, panel, { x, y }, ZOOM_STEP ** direction);
      } else {
        moveSlices(controls, panel.plane, direction * (event.shiftKey ? MANY_SLICES : 1));
      }
    },
    { passive: false },
  );

  disposer.listen(root, "keydown", (event) => {
    if (event.target !== root || event.altKey) return;
    const plane = controls.panels().find((panel) => panel.plane.id === active)?.plane;
    if (plane !== undefined && onKey(event, controls, plane)) {
      event.preventDefault();
      event.stopPropagation(); // Jupyter has commands on the same keys
    }
  });
  return disposer;
}

function onKey(event: KeyboardEvent, controls: Controls, plane: Plane): boolean {
  const many = event.shiftKey ? MANY_SLICES : 1;
  const isControl = event.ctrlKey || event.metaKey;
  switch (event.key.toLowerCase()) {
    case "arrowleft":
      return pan(controls, plane.u, -many);
    case "arrowright":
      return pan(controls, plane.u, many);
    case "arrowup":
      return pan(controls, plane.v, -many);
    case "arrowdown":
      return pan(controls, plane.v, many);
    case " ":
      moveSlices(controls, plane, isControl ? -1 : 1);
      return true;
  }
  if (isControl) return false;
  switch (event.key.toLowerCase()) {
    case "f":
      moveSlices(controls, plane, many);
      return true;
    case "d":
      moveSlices(controls, plane, -many);
      return true;
    case "i":
      controls.zoomTo(controls.zoom() / ZOOM_STEP);
      return true;
    case "o":
      controls.zoomTo(controls.zoom() * ZOOM_STEP);
      return true;
    case ".":
      controls.maximise(controls.maximised() === null ? plane.id : null);
      return true;
    case "3":
      controls.toggleSegmentation();
      return true;
  }
  return false;
}

function pan(controls: Controls, axis: 0 | 1 | 2, steps: number): boolean {
  const position = controls.position();
  const moved = position[axis] + steps * KEY_PAN_PIXELS * controls.perPixel()[axis];
  controls.moveTo(withAxis(position, axis, moved));
  return true;
}

function moveSlices(controls: Controls, plane: Plane, count: number): void {
  const position = controls.position();
  controls.moveTo(withAxis(position, plane.w, position[plane.w] + count));
}

/** Zoom so that what lies under the pointer stays there. */
function zoomAround(
  controls: Controls,
  panel: Panel,
  { x, y }: { x: number; y: number },
  factor: number,
): void {
  const before = pointToVoxel(panel, x, y, controls.position(), controls.perPixel());
  controls.zoomTo(controls.zoom() * factor);
  const after = pointToVoxel(panel, x, y, controls.position(), controls.perPixel());
  const position = controls.position();
  controls.moveTo(map3((a) => position[a] + before[a] - after[a]));
}
