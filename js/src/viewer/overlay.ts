import { Disposer } from "../core/disposable.ts";
import { type Panel, PLANES, type Plane } from "./planes.ts";
import { scaleBar } from "./scaleBar.ts";

interface PanelParts {
  frame: HTMLElement;
  vertical: HTMLElement;
  horizontal: HTMLElement;
  bar: HTMLElement;
  barLabel: HTMLElement;
}

/** Frames, plane lines and scale bars, as HTML above the canvas. It never takes pointer events. */
export class Overlay {
  private readonly disposer = new Disposer();
  private readonly parts = new Map<Plane["id"], PanelParts>();
  private readonly info: HTMLElement;
  private readonly busy: HTMLElement;
  private readonly message: HTMLElement;

  constructor(root: HTMLElement) {
    const layer = element("div", "wk-overlay", root);
    this.disposer.add(() => layer.remove());
    for (const plane of PLANES) this.parts.set(plane.id, makePanel(layer, plane));
    this.info = element("div", "wk-info", layer);
    this.busy = element("div", "wk-busy", layer);
    this.busy.setAttribute("role", "progressbar");
    this.busy.setAttribute("aria-label", "Loading image data");
    this.message = element("div", "wk-message", layer);
    this.message.setAttribute("role", "alert");
    this.message.hidden = true;
    this.busy.hidden = true;
  }

  /** Put everything where the panels are. Sizes are in CSS pixels. */
  place(panels: readonly Panel[], nanometersPerPixel: number): void {
    for (const plane of PLANES) {
      const parts = this.parts.get(plane.id) as PanelParts;
      const panel = panels.find((candidate) => candidate.plane.id === plane.id);
      parts.frame.hidden = panel === undefined;
      if (panel === undefined) continue;
      const { rect } = panel;
      Object.assign(parts.frame.style, {
        left: `${rect.left}px`,
        top: `${rect.top}px`,
        width: `${rect.width}px`,
        height: `${rect.height}px`,
      });
      const alone = panels.length === 1;
      parts.vertical.hidden = alone;
      parts.horizontal.hidden = alone;
      const { pixels, label } = scaleBar(nanometersPerPixel, Math.min(160, rect.width * 0.35));
      const isFirst = panel === panels[0];
      parts.bar.hidden = !isFirst || !Number.isFinite(pixels);
      parts.bar.style.width = `${pixels}px`;
      parts.barLabel.textContent = label;
    }
  }

  setInfo(text: string): void {
    if (this.info.textContent !== text) this.info.textContent = text;
  }

  setBusy(isBusy: boolean): void {
    this.busy.hidden = !isBusy;
  }

  /** Show a sentence over the picture; an empty one takes it away. */
  setMessage(text: string): void {
    this.message.hidden = text === "";
    this.message.textContent = text;
  }

  dispose(): void {
    this.disposer.dispose();
  }
}

function makePanel(parent: HTMLElement, plane: Plane): PanelParts {
  const frame = element("div", "wk-panel", parent);
  frame.dataset["plane"] = plane.id;
  frame.style.setProperty("--wk-plane", plane.color);
  const vertical = element("div", "wk-line wk-line-v", frame);
  const horizontal = element("div", "wk-line wk-line-h", frame);
  // A line shows where the plane lies that runs through this one there: in that plane's colour.
  vertical.style.background = lineColor(plane.u);
  horizontal.style.background = lineColor(plane.v);
  element("div", "wk-panel-name", frame).textContent = plane.id.toUpperCase();
  const bar = element("div", "wk-scale", frame);
  const barLabel = element("div", "wk-scale-label", bar);
  return { frame, vertical, horizontal, bar, barLabel };
}

function lineColor(axis: number): string {
  return PLANES.find((plane) => plane.w === axis)?.color ?? "white";
}

function element(tag: string, className: string, parent: HTMLElement): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
}
