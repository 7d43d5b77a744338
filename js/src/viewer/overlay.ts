import { make } from "./dom.ts";
import { type Layout, type Panel, PLANES, type Plane, type Rect } from "./planes.ts";
import { scaleBar } from "./scaleBar.ts";

interface PanelParts {
  frame: HTMLElement;
  lines: readonly HTMLElement[];
  scale: HTMLElement;
  label: HTMLElement;
}

const LONGEST_SCALE = 140;

/** Frames, plane lines and scale bars, as HTML above the canvas; they never take the pointer. */
export class Overlay {
  private readonly panels = new Map<Plane["id"], PanelParts>();
  private readonly busy: HTMLElement;
  private readonly message: HTMLElement;

  constructor(
    stage: HTMLElement,
    private readonly facts: HTMLElement,
  ) {
    const layer = make("div", "wk-overlay", stage);
    for (const plane of PLANES) this.panels.set(plane.id, makePanel(layer, plane));
    layer.append(facts);
    this.busy = make("div", "wk-busy", layer);
    this.busy.setAttribute("role", "progressbar");
    this.busy.setAttribute("aria-label", "Loading image data");
    this.busy.hidden = true;
    this.message = make("div", "wk-message", layer);
    this.message.setAttribute("role", "alert");
    this.message.hidden = true;
  }

  /** Put everything where the panels are. */
  place({ panels, rest }: Layout, nanometersPerPixel: number): void {
    for (const { id } of PLANES) {
      const parts = this.panels.get(id) as PanelParts;
      const panel = panels.find(({ plane }) => plane.id === id);
      parts.frame.hidden = panel === undefined;
      if (panel === undefined) continue;
      placePanel(parts, panel, nanometersPerPixel);
      // Where one plane is alone no other is seen to run through it.
      for (const line of parts.lines) line.hidden = panels.length === 1;
    }
    this.facts.hidden = rest === null;
    if (rest !== null) setRect(this.facts, rest);
  }

  setBusy(isBusy: boolean): void {
    this.busy.hidden = !isBusy;
  }

  /** Show a sentence over the picture; an empty one takes it away. */
  setMessage(text: string): void {
    this.message.hidden = text === "";
    this.message.textContent = text;
  }
}

function makePanel(parent: HTMLElement, plane: Plane): PanelParts {
  const frame = make("div", "wk-panel", parent);
  frame.dataset.plane = plane.id;
  frame.style.setProperty("--wk-plane", plane.color);
  // A line shows where another plane runs through this one, in that plane's colour.
  const across = make("div", "wk-line wk-line-v", frame);
  across.style.setProperty("--wk-plane", colorThrough(plane.u));
  const down = make("div", "wk-line wk-line-h", frame);
  down.style.setProperty("--wk-plane", colorThrough(plane.v));
  make("div", "wk-panel-name", frame).textContent = plane.id.toUpperCase();
  const scale = make("div", "wk-scale", frame);
  const label = make("div", "wk-scale-label", scale);
  return { frame, lines: [across, down], scale, label };
}

function placePanel({ frame, scale, label }: PanelParts, { rect }: Panel, nm: number): void {
  setRect(frame, rect);
  const bar = scaleBar(nm, Math.min(LONGEST_SCALE, rect.width * 0.4));
  scale.style.width = `${bar.pixels}px`;
  label.textContent = bar.label;
}

function setRect(el: HTMLElement, { left, top, width, height }: Rect): void {
  el.style.left = `${left}px`;
  el.style.top = `${top}px`;
  el.style.width = `${width}px`;
  el.style.height = `${height}px`;
}

function colorThrough(axis: number): string {
  return (PLANES.find(({ w }) => w === axis) as Plane).color;
}
