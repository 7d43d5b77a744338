import type { AnyModel } from "@anywidget/types";
import { Disposer } from "../core/disposable.ts";
import { createViewer } from "../viewer/createViewer.ts";
import type { Hover, Scene, StatePatch, VoxelValue } from "../viewer/types.ts";
import { Debouncer } from "./debouncer.ts";
import { LayerPanel } from "./layerPanel.ts";
import { makeSource } from "./sources.ts";
import { addStyles } from "./styles.ts";
import { setTraits, stateOf, TraitSync } from "./traitSync.ts";

const HOVER_MS = 100;

/** One view of a `wk_jupyter.widgets.viewer.Viewer`. Several views of one model stay in step by its traits. */
export function render({ model, el }: { model: AnyModel; el: HTMLElement }): () => void {
  addStyles(el);
  const disposer = new Disposer();
  const { root, stage } = addElements(el, disposer);
  keepHeight(model, stage, disposer);

  const scene = model.get("scene") as Scene;
  const source = makeSource(model, scene, disposer);
  const viewer = createViewer(stage, { scene, source, state: stateOf(model) });
  disposer.add(() => viewer.destroy());

  const changedByPanel = (patch: StatePatch) => {
    viewer.setState(patch);
    changed();
  };
  const panel = new LayerPanel(root, scene, changedByPanel);
  disposer.add(() => panel.dispose());
  const sync = new TraitSync(model, viewer, () => panel.show(viewer.getState()));
  disposer.add(() => sync.dispose());
  const changed = () => {
    panel.show(viewer.getState());
    sync.push();
  };
  panel.show(viewer.getState());
  viewer.on("state", changed);

  const hovering = new Debouncer(HOVER_MS);
  disposer.add(() => hovering.cancel());
  viewer.on("hover", (hover) => hovering.run(() => setTraits(model, { hovered: plain(hover) })));
  viewer.on("loading", (loading) => setTraits(model, { loading }));
  viewer.on("error", (error) => setTraits(model, { error }));
  return () => disposer.dispose();
}

function addElements(el: HTMLElement, disposer: Disposer) {
  const root = document.createElement("div");
  root.className = "wk-widget";
  // JupyterLab would open its own menu, and take Enter in a field for a command of the notebook.
  root.dataset.jpSuppressContextMenu = "";
  root.dataset.lmSuppressShortcuts = "true";
  const stage = document.createElement("div");
  stage.className = "wk-stage";
  root.append(stage);
  el.append(root);
  disposer.add(() => root.remove());
  return { root, stage };
}

function keepHeight(model: AnyModel, stage: HTMLElement, disposer: Disposer): void {
  const set = () => {
    stage.style.height = `${model.get("height") as number}px`;
  };
  set();
  model.on("change:height", set);
  disposer.add(() => model.off("change:height", set));
}

/** JSON has no 64-bit integers: they go as decimal strings, which Python turns back. */
function plain(hover: Hover | null): unknown {
  if (hover === null) return null;
  const text = (value: VoxelValue | null) => (typeof value === "bigint" ? String(value) : value);
  const values = Object.entries(hover.values).map(([name, value]) => [name, text(value)]);
  return { position: [...hover.position], values: Object.fromEntries(values) };
}

export default { render };
