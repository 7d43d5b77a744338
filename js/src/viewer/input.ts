import { Disposer } from "../core/disposable.ts";
import { type Action, actionFor, MANY_SLICES } from "./keyBindings.ts";
import type { Panel, Plane } from "./planes.ts";
import { WheelSteps, wheelPixels, wheelZoom } from "./wheel.ts";

/** A place on the stage, in CSS pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What the controls do; the viewer implements it. */
export interface Controls {
  panelAt(point: Point): Panel | null;
  pan(plane: Plane, dx: number, dy: number): void;
  slice(plane: Plane, count: number): void;
  /** Flat data has no slices to go through; there the wheel zooms. */
  hasSlices(plane: Plane): boolean;
  /** `at`: the point that keeps its place; the middle where it is null. */
  zoom(factor: number, at: Point | null): void;
  jump(point: Point): void;
  hover(point: Point | null): void;
  toggleMaximised(plane: Plane): void;
  /** Whether a panel was maximised, and is no more. */
  restore(): boolean;
  toggleSegmentation(): void;
}

const ZOOM_STEP = 1.1;
const PAN_PIXELS = 24;
// A click that moves less is no drag.
const CLICK_PIXELS = 3;

interface Drag {
  readonly pointer: number;
  readonly button: number;
  readonly plane: Plane;
  readonly start: Point;
  last: Point;
}

/**
 * Mouse and keys. `root` takes the focus, `stage` holds the panels. Without the focus the wheel is left to the
 * page: a notebook must scroll past a viewer without changing it.
 */
export class Input {
  private readonly disposer = new Disposer();
  private readonly steps = new WheelSteps();
  private active: Plane;
  private drag: Drag | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly stage: HTMLElement,
    private readonly controls: Controls,
    first: Plane,
  ) {
    this.active = first;
    const { disposer } = this;
    disposer.listen(stage, "pointerdown", (event) => this.onDown(event));
    disposer.listen(stage, "pointermove", (event) => this.onMove(event));
    disposer.listen(stage, "pointerup", (event) => this.onUp(event));
    disposer.listen(stage, "pointercancel", () => this.endDrag());
    disposer.listen(stage, "pointerleave", () => this.controls.hover(null));
    disposer.listen(stage, "dblclick", (event) => this.controls.jump(this.pointOf(event)));
    disposer.listen(stage, "contextmenu", (event) => event.preventDefault());
    disposer.listen(stage, "wheel", (event) => this.onWheel(event), { passive: false });
    disposer.listen(root, "keydown", (event) => this.onKey(event));
  }

  dispose(): void {
    this.disposer.dispose();
  }

  private pointOf(event: MouseEvent): Point {
    const { left, top } = this.stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  private onDown(event: PointerEvent): void {
    this.root.focus({ preventScroll: true });
    const start = this.pointOf(event);
    const panel = this.controls.panelAt(start);
    if (panel === null || event.button > 2 || this.drag !== null) return;
    event.preventDefault();
    this.active = panel.plane;
    this.stage.setPointerCapture(event.pointerId);
    const { plane } = panel;
    this.drag = { pointer: event.pointerId, button: event.button, plane, start, last: start };
  }

  private onMove(event: PointerEvent): void {
    const point = this.pointOf(event);
    const { drag } = this;
    if (drag?.pointer === event.pointerId) {
      const { plane, last } = drag;
      drag.last = point;
      if (drag.button !== 2) this.controls.pan(plane, point.x - last.x, point.y - last.y);
    } else {
      const panel = this.controls.panelAt(point);
      if (panel !== null) this.active = panel.plane;
    }
    this.controls.hover(point);
  }

  private onUp(event: PointerEvent): void {
    const { drag } = this;
    if (drag?.pointer !== event.pointerId) return;
    const point = this.pointOf(event);
    const way = Math.hypot(point.x - drag.start.x, point.y - drag.start.y);
    this.endDrag();
    if (drag.button === 2 && way < CLICK_PIXELS) this.controls.jump(point);
  }

  private endDrag(): void {
    this.drag = null;
  }

  private onWheel(event: WheelEvent): void {
    if (!this.root.matches(":focus-within")) return;
    event.preventDefault();
    const point = this.pointOf(event);
    const panel = this.controls.panelAt(point);
    const pixels = wheelPixels(event);
    if (panel === null || pixels === 0) return;
    this.active = panel.plane;
    if (event.ctrlKey || event.metaKey || !this.controls.hasSlices(panel.plane)) {
      this.controls.zoom(wheelZoom(pixels), point);
      return;
    }
    const steps = this.steps.add(pixels) * (event.shiftKey ? MANY_SLICES : 1);
    if (steps !== 0) this.controls.slice(panel.plane, steps);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.target !== this.root) return;
    const action = actionFor(event);
    if (action === null) return;
    event.preventDefault();
    event.stopPropagation(); // Jupyter has commands on the same keys
    this.run(action);
  }

  private run(action: Action): void {
    const { controls, active } = this;
    switch (action.kind) {
      case "slice":
        controls.slice(active, action.count);
        break;
      case "pan":
        controls.pan(active, -action.right * PAN_PIXELS, -action.down * PAN_PIXELS);
        break;
      case "zoom":
        controls.zoom(ZOOM_STEP ** action.out, null);
        break;
      case "maximise":
        controls.toggleMaximised(active);
        break;
      case "toggleSegmentation":
        controls.toggleSegmentation();
        break;
      case "leave":
        if (!controls.restore()) this.root.blur();
    }
  }
}
