import { Disposer } from "../core/disposable.ts";
import type { Vec3 } from "../core/vec3.ts";
import type { LayerSpec, LayerState, Scene, StatePatch, ViewerState } from "../viewer/types.ts";

interface Row {
  visible: HTMLInputElement;
  opacity: HTMLInputElement;
  color: HTMLInputElement | null;
  low: HTMLInputElement | null;
  high: HTMLInputElement | null;
  interpolation: HTMLInputElement | null;
}

/** Position, zoom and the settings of every layer, to be read and to be changed. */
export class LayerPanel {
  private readonly disposer = new Disposer();
  private readonly rows = new Map<string, Row>();
  private readonly position: HTMLInputElement;
  private readonly zoom: HTMLInputElement;

  constructor(
    parent: HTMLElement,
    scene: Scene,
    private readonly change: (patch: StatePatch) => void,
  ) {
    const panel = make("details", "wk-controls", parent) as HTMLDetailsElement;
    panel.open = true;
    this.disposer.add(() => panel.remove());
    make("summary", "wk-controls-title", panel).textContent = scene.name;
    const view = make("div", "wk-row", panel);
    this.position = this.field(view, "Position", "text", "Position in voxels: x, y, z");
    this.position.size = 22;
    this.zoom = this.field(view, "Zoom", "number", "Voxels per pixel");
    this.zoom.step = "any";
    this.zoom.min = "0.005";
    this.disposer.listen(this.position, "change", () => this.onPosition());
    this.disposer.listen(this.zoom, "change", () => {
      const zoom = Number(this.zoom.value);
      if (zoom > 0) this.change({ zoom });
    });
    for (const layer of scene.layers) this.rows.set(layer.name, this.addRow(panel, layer));
  }

  /** Show a state; a field that is being edited is left alone. */
  show(state: ViewerState): void {
    set(this.position, state.position.map(Math.floor).join(", "));
    set(this.zoom, String(Number(state.zoom.toPrecision(3))));
    for (const [name, row] of this.rows) {
      const layer = state.layers[name];
      if (layer === undefined) continue;
      row.visible.checked = layer.visible;
      set(row.opacity, String(layer.opacity));
      if (row.color) set(row.color, toHex(layer.color));
      if (row.low) set(row.low, String(layer.intensityRange?.[0] ?? ""));
      if (row.high) set(row.high, String(layer.intensityRange?.[1] ?? ""));
      if (row.interpolation) row.interpolation.checked = layer.interpolation;
    }
  }

  dispose(): void {
    this.disposer.dispose();
  }

  private addRow(panel: HTMLElement, layer: LayerSpec): Row {
    const row = make("div", "wk-row wk-layer", panel);
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", `Layer ${layer.name}`);
    const { name } = layer;
    const visible = this.field(row, name, "checkbox", `Show ${name}`);
    this.onInput(visible, name, () => ({ visible: visible.checked }));
    const opacity = this.field(row, "Opacity", "range", `Opacity of ${name}, 0 to 100`);
    opacity.min = "0";
    opacity.max = "100";
    this.onInput(opacity, name, () => ({ opacity: Number(opacity.value) }));
    if (layer.category === "segmentation") {
      return { visible, opacity, color: null, low: null, high: null, interpolation: null };
    }
    const color = this.field(row, "Color", "color", `Color of ${name}`);
    this.onInput(color, name, () => ({ color: fromHex(color.value) }));
    const low = this.field(row, "Range", "number", `Intensity of ${name} that is black`);
    const high = this.field(row, "–", "number", `Intensity of ${name} that is brightest`);
    for (const input of [low, high]) {
      input.step = "any";
      this.onInput(input, name, () => rangeOf(low, high), "change");
    }
    const interpolation = this.field(row, "Smooth", "checkbox", `Interpolate ${name}`);
    this.onInput(interpolation, name, () => ({ interpolation: interpolation.checked }));
    return { visible, opacity, color, low, high, interpolation };
  }

  private onInput(
    input: HTMLInputElement,
    name: string,
    read: () => Partial<LayerState> | null,
    event: "input" | "change" = "input",
  ): void {
    this.disposer.listen(input, event, () => {
      const patch = read();
      if (patch !== null) this.change({ layers: { [name]: patch } });
    });
  }

  private onPosition(): void {
    const numbers = this.position.value.match(/-?\d+(?:\.\d+)?/g)?.map(Number) ?? [];
    const [x, y, z] = numbers;
    this.position.setAttribute("aria-invalid", String(z === undefined));
    if (x !== undefined && y !== undefined && z !== undefined) this.change({ position: [x, y, z] });
  }

  private field(parent: HTMLElement, text: string, type: string, title: string): HTMLInputElement {
    const label = make("label", `wk-field wk-field-${type}`, parent);
    const input = document.createElement("input");
    input.type = type;
    input.title = title;
    input.setAttribute("aria-label", title);
    const caption = make("span", "wk-caption", label);
    caption.textContent = text;
    // In JupyterLab, Enter alone does not make a text field tell its change.
    this.disposer.listen(input, "keydown", (event) => {
      if (event.key === "Enter") input.dispatchEvent(new Event("change"));
    });
    if (type === "checkbox") label.prepend(input);
    else label.append(input);
    return input;
  }
}

function make(tag: string, className: string, parent: HTMLElement): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
}

function set(input: HTMLInputElement, value: string): void {
  if (document.activeElement === input && input.type !== "range" && input.type !== "color") return;
  if (input.value !== value) input.value = value;
}

function rangeOf(low: HTMLInputElement, high: HTMLInputElement): Partial<LayerState> | null {
  if (low.value === "" || high.value === "") return null;
  const range: [number, number] = [Number(low.value), Number(high.value)];
  return range[0] <= range[1] ? { intensityRange: range } : null;
}

function toHex(color: Vec3): string {
  return `#${color.map((n) => Math.round(n).toString(16).padStart(2, "0")).join("")}`;
}

function fromHex(hex: string): Vec3 {
  const number = Number.parseInt(hex.slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}
