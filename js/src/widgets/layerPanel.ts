import { Disposer } from "../core/disposable.ts";
import { make } from "../viewer/dom.ts";
import type { Scene, StatePatch, ViewerState } from "../viewer/types.ts";
import { makeField, markInvalid, onEntered, parseVec3, showValue } from "./fields.ts";
import { LayerRow } from "./layerRow.ts";

/** Position, zoom and the settings of every layer, to be read and to be changed. */
export class LayerPanel {
  private readonly disposer = new Disposer();
  private readonly rows = new Map<string, LayerRow>();
  private readonly position: HTMLInputElement;
  private readonly zoom: HTMLInputElement;

  constructor(
    parent: HTMLElement,
    scene: Scene,
    private readonly change: (patch: StatePatch) => void,
  ) {
    const panel = make("details", "wk-controls", parent);
    panel.open = true;
    this.disposer.add(() => panel.remove());
    make("summary", "wk-controls-title", panel).textContent = "Position and layers";
    const view = make("div", "wk-row", panel);
    this.position = makeField(view, "Position", "text", "Position in voxels: x, y, z");
    this.position.size = 22;
    this.position.spellcheck = false;
    this.zoom = makeField(view, "Zoom", "number", "Voxels per pixel");
    this.zoom.step = "any";
    this.zoom.min = "0";
    this.entered(this.position, () => {
      const position = parseVec3(this.position.value);
      return position && { position };
    });
    this.entered(this.zoom, () => {
      const zoom = Number(this.zoom.value);
      return zoom > 0 ? { zoom } : null;
    });
    for (const layer of scene.layers) {
      const { name } = layer;
      const changeLayer = (patch: object) => this.change({ layers: { [name]: patch } });
      this.rows.set(name, new LayerRow(panel, layer, this.disposer, changeLayer));
    }
  }

  /** Show a state; a field into which the user is typing is left alone. */
  show(state: ViewerState): void {
    showValue(this.position, state.position.map(Math.floor).join(", "));
    showValue(this.zoom, String(Number(state.zoom.toPrecision(3))));
    for (const [name, row] of this.rows) {
      const layer = state.layers[name];
      if (layer !== undefined) row.show(layer);
    }
  }

  dispose(): void {
    this.disposer.dispose();
  }

  private entered(input: HTMLInputElement, read: () => StatePatch | null): void {
    onEntered(this.disposer, input, () => {
      const patch = read();
      markInvalid(input, patch === null);
      if (patch !== null) this.change(patch);
    });
  }
}
