import type { AnyModel } from "@anywidget/types";
import { CommBrickSource } from "../api/commBrickSource.ts";
import { HttpBrickSource } from "../api/httpBrickSource.ts";
import { jupyterBase, Session } from "../api/session.ts";
import { Disposer } from "../core/disposable.ts";
import { createViewer } from "../viewer/createViewer.ts";
import type {
  BrickSource,
  Hover,
  LayerState,
  Scene,
  StatePatch,
  VoxelValue,
} from "../viewer/types.ts";
import { LayerPanel } from "./layerPanel.ts";
import { addStyles } from "./styles.ts";

interface Source {
  kind: "http" | "comm";
  base?: string;
  dataset?: string;
}

type Disposable = BrickSource & { dispose(): void };

/** Mirrors the traits of `wk_jupyter.widgets.viewer.Viewer`. */
const SYNC_MS = 100;
const TRAITS = [
  "position",
  "zoom",
  "layer_settings",
  "blend_mode",
  "render_missing_data_black",
  "additional_coordinates",
] as const;

/** Show one viewer of a model. Several views of one model stay in step through its traits. */
export function render({ model, el }: { model: AnyModel; el: HTMLElement }): () => void {
  addStyles(el);
  const disposer = new Disposer();
  const root = document.createElement("div");
  root.className = "wk-widget";
  root.dataset.jpSuppressContextMenu = "";
  // JupyterLab would take Enter in a field for a command of the notebook.
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  disposer.add(() => root.remove());
  const stage = document.createElement("div");
  stage.className = "wk-stage";
  root.append(stage);

  const scene = model.get("scene") as Scene;
  const source = makeSource(model, scene, disposer);
  const viewer = createViewer(stage, { scene, source, state: stateOf(model) });
  disposer.add(() => viewer.destroy());
  const panel = new LayerPanel(root, scene, (patch) => {
    viewer.setState(patch);
    panel.show(viewer.getState());
    push();
  });
  panel.show(viewer.getState());
  disposer.add(() => panel.dispose());

  const sync = new Debouncer(SYNC_MS);
  disposer.add(() => sync.cancel());
  const push = () => sync.run(() => writeState(model, viewer.getState()));
  viewer.on("state", (state) => {
    panel.show(state);
    push();
  });
  const hoverSync = new Debouncer(SYNC_MS);
  disposer.add(() => hoverSync.cancel());
  viewer.on("hover", (hover) =>
    hoverSync.run(() => {
      model.set("hovered", hover === null ? null : plainHover(hover));
      model.save_changes();
    }),
  );
  const report = (name: string, value: unknown) => {
    model.set(name, value);
    model.save_changes();
  };
  viewer.on("loading", (loading) => report("loading", loading));
  viewer.on("error", (error) => report("error", error));

  const setHeight = () => {
    stage.style.height = `${model.get("height") as number}px`;
  };
  setHeight();
  const pull = () => {
    if (sync.isPending) return; // the user is moving: Python hears of it in a moment
    viewer.setState(stateOf(model));
    panel.show(viewer.getState());
  };
  const listen = (event: string, fn: () => void) => {
    model.on(event, fn);
    disposer.add(() => model.off(event, fn));
  };
  for (const name of TRAITS) listen(`change:${name}`, pull);
  listen("change:height", setHeight);
  return () => disposer.dispose();
}

function makeSource(model: AnyModel, scene: Scene, disposer: Disposer): BrickSource {
  const { kind, base, dataset } = model.get("source") as Source;
  let source: Disposable;
  if (kind === "http" && dataset !== undefined) {
    // A path is one on the page's own server; its own idea of the prefix counts most (JupyterHub).
    const own = jupyterBase();
    const isForeign = base !== undefined && /^https?:/.test(base);
    const url = isForeign ? base : `${own ?? new URL("/", location.href).href}wk/`;
    const session = new Session(url.endsWith("/") ? url : `${url}/`);
    source = new HttpBrickSource(
      isForeign ? waitForToken(model, session, disposer) : session,
      dataset,
      scene.layers,
    );
  } else {
    source = new CommBrickSource(model, scene.layers);
  }
  disposer.add(() => source.dispose());
  return source;
}

/** A token comes by a message, because a widget's state is saved into the notebook. */
function waitForToken(model: AnyModel, session: Session, disposer: Disposer): Session {
  session.ready = new Promise((resolve) => {
    const receive = (message: { type?: string; token?: string | null }) => {
      if (message.type !== "token") return;
      if (typeof message.token === "string") session.setToken(message.token);
      resolve();
    };
    model.on("msg:custom", receive);
    disposer.add(() => model.off("msg:custom", receive));
  });
  model.send({ type: "token" });
  return session;
}

function stateOf(model: AnyModel): StatePatch {
  return {
    position: model.get("position"),
    zoom: model.get("zoom"),
    layers: model.get("layer_settings") as Record<string, Partial<LayerState>>,
    blendMode: model.get("blend_mode"),
    renderMissingDataBlack: model.get("render_missing_data_black"),
    additionalCoordinates: model.get("additional_coordinates"),
  };
}

function writeState(
  model: AnyModel,
  state: ReturnType<ReturnType<typeof createViewer>["getState"]>,
) {
  model.set("position", [...state.position]);
  model.set("zoom", state.zoom);
  model.set("layer_settings", structuredClone(state.layers));
  model.set("additional_coordinates", { ...state.additionalCoordinates });
  model.save_changes();
}

/** JSON has no 64-bit integers: they go as decimal strings, which Python turns back. */
function plainHover(hover: Hover): { position: number[]; values: Record<string, unknown> } {
  const plain = (value: VoxelValue | null) => (typeof value === "bigint" ? String(value) : value);
  const values = Object.entries(hover.values).map(([name, value]) => [name, plain(value)]);
  return { position: [...hover.position], values: Object.fromEntries(values) };
}

/** Runs the newest of many calls, at most once in a while. */
class Debouncer {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private latest: (() => void) | null = null;

  constructor(private readonly ms: number) {}

  get isPending(): boolean {
    return this.timer !== null;
  }

  run(fn: () => void): void {
    this.latest = fn;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.latest?.();
    }, this.ms);
  }

  cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}

export default { render };
