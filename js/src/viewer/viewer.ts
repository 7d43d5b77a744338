import { Disposer } from "../core/disposable.ts";
import { Emitter } from "../core/emitter.ts";
import { equal3, map3, type Vec3 } from "../core/vec3.ts";
import { sameCoordinates } from "./brickStore.ts";
import { attachInput, type Controls } from "./input.ts";
import { LayerRenderer } from "./layerRenderer.ts";
import { Overlay } from "./overlay.ts";
import { layoutPanels, type Panel, type Plane, voxelsPerPixel } from "./planes.ts";
import { toNanometers } from "./scaleBar.ts";
import { defaultState, patched } from "./state.ts";
import type {
  Hover,
  Scene,
  StatePatch,
  ViewerEvents,
  ViewerHandle,
  ViewerOptions,
  ViewerState,
} from "./types.ts";
import { BRICK, type View } from "./visibleBricks.ts";

const NO_WEBGL =
  "This browser gives no WebGL 2, which the viewer draws with. Turn on hardware acceleration, or close other pages with 3D pictures.";
const CONTEXT_LOST =
  "The graphics card was taken away from this page. The picture comes back when it returns.";

/** The engine: state in, pictures out. Draws only when something has changed. */
export class Viewer implements ViewerHandle, Controls {
  private readonly scene: Scene;
  private readonly disposer = new Disposer();
  private readonly events = new Emitter<ViewerEvents>();
  private readonly root: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly overlay: Overlay;
  private readonly gl: WebGL2RenderingContext | null;
  private readonly layers: LayerRenderer[];
  private state: ViewerState;
  private only: Plane["id"] | null;
  private layout: readonly Panel[] = [];
  private frameRequest = 0;
  private isLoading = false;
  private isLost = false;
  private lastError = "";
  private pointer: Vec3 | null = null;
  private lastHover = "";
  private waiting: (() => void)[] = [];

  constructor(el: HTMLElement, { scene, source, state }: ViewerOptions) {
    this.scene = scene;
    this.state = patched(defaultState(scene), state ?? {});
    this.only = scene.boundingBox.depth === 1 ? "xy" : null;
    this.root = document.createElement("div");
    this.root.className = "wk-viewer";
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    this.root.setAttribute(
      "aria-label",
      `${scene.name}: three planes. Arrow keys pan, F and D move through slices, I and O zoom, the full stop maximises a plane.`,
    );
    this.root.dataset["jpSuppressContextMenu"] = "";
    this.canvas = document.createElement("canvas");
    this.root.append(this.canvas);
    el.append(this.root);
    this.disposer.add(() => this.root.remove());
    this.overlay = new Overlay(this.root);
    this.disposer.add(() => this.overlay.dispose());
    this.layers = scene.layers.map(
      (layer) =>
        new LayerRenderer(
          layer,
          source,
          () => this.state,
          () => this.redraw(),
        ),
    );
    this.gl = this.openContext();
    const input = attachInput(this.root, this);
    this.disposer.add(() => input.dispose());
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(this.root);
    this.disposer.add(() => observer.disconnect());
    this.redraw();
  }

  // --- for those who use the viewer ---------------------------------------------------------

  setState(patch: StatePatch): void {
    const before = this.state;
    this.state = patched(before, patch);
    if (!sameCoordinates(before.additionalCoordinates, this.state.additionalCoordinates)) {
      for (const layer of this.layers) layer.clear();
    }
    this.redraw();
  }

  getState(): ViewerState {
    return this.state;
  }

  on<K extends keyof ViewerEvents>(event: K, fn: (value: ViewerEvents[K]) => void): () => void {
    return this.events.on(event, fn);
  }

  readPixels(): { width: number; height: number; data: Uint8Array } {
    const { gl, canvas } = this;
    this.draw(); // the buffer is only defined until the browser has shown it
    const { width, height } = canvas;
    const data = new Uint8Array(width * height * 4);
    if (gl === null) return { width, height, data };
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    const flipped = new Uint8Array(data.length);
    for (let row = 0; row < height; row += 1) {
      const from = (height - 1 - row) * width * 4;
      flipped.set(data.subarray(from, from + width * 4), row * width * 4);
    }
    return { width, height, data: flipped };
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.redraw();
    });
  }

  destroy(): void {
    if (this.disposer.isDisposed) return;
    cancelAnimationFrame(this.frameRequest);
    for (const layer of this.layers) layer.dispose();
    this.disposer.dispose();
    this.events.clear();
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  // --- for the controls ---------------------------------------------------------------------

  panels(): readonly Panel[] {
    return this.layout;
  }

  position(): Vec3 {
    return this.state.position;
  }

  perPixel(): Vec3 {
    return voxelsPerPixel(this.scene.voxelSize.factor, this.state.zoom);
  }

  zoom(): number {
    return this.state.zoom;
  }

  moveTo(position: Vec3): void {
    if (!equal3(position, this.state.position)) this.change({ position });
  }

  zoomTo(zoom: number): void {
    this.change({ zoom });
  }

  hover(voxel: Vec3 | null): void {
    this.pointer = voxel;
    this.updateHover();
  }

  maximise(plane: Plane["id"] | null): void {
    if (this.scene.boundingBox.depth === 1) return;
    this.only = plane;
    this.redraw();
  }

  maximised(): Plane["id"] | null {
    return this.only;
  }

  toggleSegmentation(): void {
    const names = this.scene.layers.filter((layer) => layer.category === "segmentation");
    const anyVisible = names.some(({ name }) => this.state.layers[name]?.visible);
    this.change({
      layers: Object.fromEntries(names.map(({ name }) => [name, { visible: !anyVisible }])),
    });
  }

  // --- inside -------------------------------------------------------------------------------

  private change(patch: StatePatch): void {
    this.setState(patch);
    this.events.emit("state", this.state);
  }

  private openContext(): WebGL2RenderingContext | null {
    const gl = this.canvas.getContext("webgl2", { antialias: false, alpha: false });
    if (gl === null) {
      this.fail(NO_WEBGL);
      return null;
    }
    const lost = (event: Event) => {
      event.preventDefault(); // or it would never be restored
      this.isLost = true;
      for (const layer of this.layers) layer.contextLost();
      this.fail(CONTEXT_LOST);
    };
    const restored = () => {
      this.isLost = false;
      this.fail("");
      this.redraw();
    };
    this.canvas.addEventListener("webglcontextlost", lost);
    this.canvas.addEventListener("webglcontextrestored", restored);
    this.disposer.add(() => {
      this.canvas.removeEventListener("webglcontextlost", lost);
      this.canvas.removeEventListener("webglcontextrestored", restored);
    });
    return gl;
  }

  private fail(message: string): void {
    this.overlay.setMessage(message);
    if (message !== this.lastError) this.events.emit("error", message);
    this.lastError = message;
  }

  private redraw(): void {
    if (this.frameRequest !== 0 || this.disposer.isDisposed) return;
    this.frameRequest = requestAnimationFrame(() => {
      this.frameRequest = 0;
      this.draw();
    });
  }

  private draw(): void {
    const { gl, canvas, root } = this;
    const { clientWidth: width, clientHeight: height } = root;
    if (gl === null || this.isLost || width === 0 || height === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const pixelWidth = Math.round(width * ratio);
    const pixelHeight = Math.round(height * ratio);
    if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
      canvas.width = pixelWidth;
      canvas.height = pixelHeight;
    }
    this.layout = layoutPanels(width, height, this.only);
    const view: View = {
      position: this.state.position,
      perPixel: this.perPixel(),
      ratio,
      panels: this.layout,
    };
    const slots = slotsFor(this.layout, ratio);
    const isMore = this.layers.map((layer) => layer.prepare(gl, view, slots)).some(Boolean);
    this.drawPanels(gl, view);
    this.placeOverlay();
    this.report(isMore);
    if (isMore) this.redraw();
  }

  private drawPanels(gl: WebGL2RenderingContext, view: View): void {
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    gl.enable(gl.BLEND);
    const colors = this.layers.filter(({ layer }) => layer.category === "color");
    const segmentations = this.layers.filter(({ layer }) => layer.category === "segmentation");
    for (const panel of view.panels) {
      const { rect } = panel;
      const height = Math.round(rect.height * view.ratio);
      const left = Math.round(rect.left * view.ratio);
      const bottom = this.canvas.height - Math.round(rect.top * view.ratio) - height;
      const width = Math.round(rect.width * view.ratio);
      gl.viewport(left, bottom, width, height);
      gl.scissor(left, bottom, width, height);
      if (this.state.blendMode === "additive") gl.blendFunc(gl.SRC_ALPHA, gl.ONE);
      else gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
      for (const layer of colors) layer.draw(gl, panel, view, this.canvas.height);
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
      for (const layer of segmentations) layer.draw(gl, panel, view, this.canvas.height);
    }
  }

  private placeOverlay(): void {
    const { factor, unit } = this.scene.voxelSize;
    const nanometers = Math.min(...factor) * toNanometers(unit) * this.state.zoom;
    this.overlay.place(this.layout, nanometers);
    this.updateHover();
  }

  private report(isMore: boolean): void {
    const isLoading = isMore || this.layers.some((layer) => layer.store.isLoading);
    if (isLoading !== this.isLoading) {
      this.isLoading = isLoading;
      this.overlay.setBusy(isLoading);
      this.events.emit("loading", isLoading);
    }
    if (!this.isLost && this.gl !== null) {
      const failed = this.layers.find((layer) => layer.store.error !== "");
      this.fail(failed ? `${failed.layer.name}: ${failed.store.error}` : "");
    }
    if (
      this.waiting.length > 0 &&
      this.layers.every((layer) => isHidden(layer) || layer.isComplete())
    ) {
      for (const resolve of this.waiting.splice(0)) resolve();
    }
  }

  private updateHover(): void {
    const hover = this.pointer === null ? null : this.hoverAt(this.pointer);
    for (const layer of this.layers) {
      const value = hover?.values[layer.layer.name] ?? 0n;
      const id =
        typeof value === "bigint"
          ? value
          : typeof value === "number"
            ? BigInt(Math.trunc(value))
            : 0n;
      if (layer.layer.category === "segmentation" && layer.hoveredId !== id) {
        layer.hoveredId = id;
        this.redraw();
      }
    }
    this.overlay.setInfo(this.describe(hover));
    const text = hover === null ? "" : this.describe(hover);
    if (text !== this.lastHover) {
      this.lastHover = text;
      this.events.emit("hover", hover);
    }
  }

  private hoverAt(point: Vec3): Hover {
    const position = map3((a) => Math.floor(point[a]));
    const values = this.layers
      .filter((layer) => !isHidden(layer) && isInside(layer, position))
      .map((layer) => [layer.layer.name, layer.valueAt(position)] as const);
    return { position, values: Object.fromEntries(values) };
  }

  private describe(hover: Hover | null): string {
    const at = hover?.position ?? map3((a) => Math.floor(this.state.position[a]));
    const mags = new Set(
      this.layers.filter((l) => !isHidden(l)).map((l) => l.currentMag.join("-")),
    );
    const values = Object.entries(hover?.values ?? {})
      .filter(([, value]) => value !== null)
      .map(
        ([name, value]) =>
          `${name} ${typeof value === "object" ? value?.join(" ") : format(value)}`,
      );
    return [at.join(", "), `mag ${[...mags].join(" / ") || "–"}`, ...values].join("   ");
  }
}

function format(value: number | bigint | undefined): string {
  if (typeof value === "number" && !Number.isInteger(value)) return value.toPrecision(5);
  return String(value);
}

function isHidden(layer: LayerRenderer): boolean {
  return !layer.settings.visible || layer.settings.opacity === 0;
}

function isInside(layer: LayerRenderer, voxel: Vec3): boolean {
  return voxel.every((n, a) => n >= (layer.box.min[a] ?? 0) && n < (layer.box.max[a] ?? 0));
}

/** Bricks that the panels can need at worst, with the coarser mags that stand in. */
function slotsFor(panels: readonly Panel[], ratio: number): number {
  const bricks = panels.map(
    ({ rect }) =>
      (Math.ceil((rect.width * ratio) / BRICK / 0.75) + 2) *
      (Math.ceil((rect.height * ratio) / BRICK / 0.75) + 2),
  );
  return Math.ceil(bricks.reduce((sum, n) => sum + n, 0) * 1.5);
}
