import type { Vec3 } from "../core/vec3.ts";
import { make } from "./dom.ts";
import { valueText } from "./hover.ts";
import type { Hover } from "./types.ts";

/** One line below the panels: where the view is, at which mag, and what lies under the pointer. */
export class StatusBar {
  private readonly position: HTMLElement;
  private readonly view: HTMLElement;
  private readonly hover: HTMLElement;

  constructor(root: HTMLElement) {
    const bar = make("div", "wk-info", root);
    this.position = make("span", "wk-info-position", bar);
    this.view = make("span", "wk-info-view", bar);
    this.hover = make("span", "wk-info-hover", bar);
  }

  /** `mags`: of the visible layers. */
  showView(position: Vec3, zoom: number, mags: readonly Vec3[]): void {
    const names = [...new Set(mags.map(magName))];
    setText(this.position, position.map(Math.floor).join(", "));
    const mag = names.length > 0 ? `mag ${names.join(", ")} · ` : "";
    setText(this.view, `${mag}zoom ${Number(zoom.toPrecision(3))}`);
  }

  showHover(hover: Hover | null): void {
    setText(this.hover, hover === null ? "" : hoverText(hover));
  }
}

/** A mag as WEBKNOSSOS writes it: one number where all axes are alike. */
export function magName([x, y, z]: Vec3): string {
  return x === y && y === z ? String(x) : `${x}-${y}-${z}`;
}

function hoverText({ position, values }: Hover): string {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${valueText(value)}`);
  return [`→ ${position.join(", ")}`, ...parts].join("   ");
}

function setText(el: HTMLElement, text: string): void {
  if (el.textContent !== text) el.textContent = text;
}
