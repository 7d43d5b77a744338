import { type Box, boxFromJson } from "../core/box.ts";
import { Disposer } from "../core/disposable.ts";
import { Emitter } from "../core/emitter.ts";
import type { Vec3 } from "../core/vec3.ts";
import { type Camera, clampZoom, fitZoom, keptInside, panned, sliced, zoomedAt } from "./camera.ts";
import { type Context, openContext } from "./gpu/context.ts";
import { Renderer } from "./gpu/renderer.ts";
import { hoverAt, hoveredSegments, sameHover, sameSegments } from "./hover.ts";
import { type Controls, Input, type Point } from "./input.ts";
import type { LayerView } from "./layerView.ts";
import type { View } from "./neededBricks.ts";
import type { Layout, Panel, Plane } from "./planes.ts";
import { layoutPanels, panelAt, planeOf, pointToVoxel, voxelsPerPixel } from "./planes.ts";
import { toNanometers } from "./scaleBar.ts";
import { Stage } from "./stage.ts";
import { defaultState, patched } from "./state.ts";
import { isShown, Streamer } from "./streamer.ts";
import type {
  Hover,
  Scene,
  StatePatch,
  ViewerEvents,
  ViewerHandle,
  ViewerOptions,
  ViewerState,
} from "./types.ts";

const NO_WEBGL =
  "This browser gives no WebGL 2, which the viewer draws with. Turn on hardware acceleration in its settings, or close other pages with 3D graphics and run the cell again.";
const CONTEXT_LOST =
  "The graphics driver took the picture away. It comes back by itself when the driver does; else run the cell again.";

const DATA_FRAME_MS = 80;

/** The engine: state in, picture out. It works only when something has changed. */
export class Viewer implements ViewerHandle, Controls {
  private readonly disposer = new Disposer();
  private readonly events = new Emitter<ViewerEvents>();
  private readonly scene: Scene;
  private readonly box: Box;
  private readonly voxelSize: Vec3;
  private readonly stage: Stage;
  private readonly streamer: Streamer;
  private readonly context: Context | null;
  private renderer: Renderer | null = null;
  private state: ViewerState;
  private layout: Layout = { panels: [], rest: null };
  private only: Plane["id"] | null;
  private fit = 1;
  private mustFit: boolean;
  private frameRequest = 0;
  private lastDataFrame = Number.NEGATIVE_INFINITY;
  private lastPaint = Number.NEGATIVE_INFINITY;
  private mustPaint = true;
  private dataTimer: ReturnType<typeof setTimeout> | undefined;
  private pointer: Point | null = null;
  private hovered: Hover | null = null;
  private segments: ReadonlyMap<string, bigint> = new Map();
  private isLoading = false;
  private problem = "";
  private dataProblem = "";
  private waiting: (() => void)[] = [];

  constructor(parent: HTMLElement, { scene, source, state, onChange }: ViewerOptions) {
    this.scene = scene;
    this.box = boxFromJson(scene.boundingBox);
    this.voxelSize = scene.voxelSize.factor;
    this.state = patched(defaultState(scene), state ?? {});
    this.mustFit = !state?.zoom;
    this.only = this.isFlat ? "xy" : null;
    if (onChange !== undefined) this.events.on("state", onChange);
    this.stage = new Stage(parent, scene);
    this.disposer.add(() => this.stage.dispose());
    this.streamer = new Streamer(scene.layers, source, {
      changed: () => this.redrawForData(),
      trouble: (message) => {
        this.dataProblem = message;
        this.redraw();
      },
    });
    this.disposer.add(() => this.streamer.dispose());
    this.context = this.openContext();
    const input = new Input(this.stage.root, this.stage.stage, this, planeOf("xy"));
    this.disposer.add(() => input.dispose());
    this.stage.watchSize(() => this.redraw());
    this.draw();
    // What happened before anybody could listen.
    queueMicrotask(() => {
      if (this.isLoading) this.events.emit("loading", true);
      if (this.problem !== "") this.events.emit("error", this.problem);
    });
  }

  // For those who use the viewer.

  setState(patch: StatePatch): void {
    this.state = patched(this.state, patch);
    if (patch.zoom) this.mustFit = false;
    this.redraw();
  }

  getState(): ViewerState {
    return this.state;
  }

  on<K extends keyof ViewerEvents>(event: K, fn: (value: ViewerEvents[K]) => void): () => void {
    return this.events.on(event, fn);
  }

  resize(): void {
    this.redraw();
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.redraw();
    });
  }

  readPixels(): { width: number; height: number; data: Uint8Array } {
    this.mustPaint = true;
    this.draw(); // what is drawn is only there until the browser has shown it
    const { width, height } = this.stage.canvas;
    const data = new Uint8Array(width * height * 4);
    const gl = this.context?.gl;
    if (gl === undefined || this.renderer === null) return { width, height, data };
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    const rows = Array.from({ length: height }, (_, row) =>
      data.slice((height - 1 - row) * width * 4, (height - row) * width * 4),
    );
    for (const [row, pixels] of rows.entries()) data.set(pixels, row * width * 4);
    return { width, height, data };
  }

  destroy(): void {
    if (this.disposer.isDisposed) return;
    cancelAnimationFrame(this.frameRequest);
    clearTimeout(this.dataTimer);
    this.renderer?.dispose();
    this.renderer = null;
    this.context?.dispose();
    this.disposer.dispose();
    this.events.clear();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  // For the controls.

  panelAt({ x, y }: Point): Panel | null {
    return panelAt(this.layout.panels, x, y);
  }

  pan(plane: Plane, dx: number, dy: number): void {
    this.look(panned(this.state, plane, this.voxelSize, dx, dy));
  }

  slice(plane: Plane, count: number): void {
    const shown = this.shownLayers().map((layer) => layer.mag[plane.w]);
    const step = shown.length > 0 ? Math.min(...shown) : 1;
    this.look(sliced(this.state, plane, step, count));
  }

  hasSlices({ w }: Plane): boolean {
    return this.box.max[w] - this.box.min[w] > 1;
  }

  zoom(factor: number, at: Point | null): void {
    const zoom = clampZoom(this.state.zoom * factor, this.fit);
    const anchor = at === null ? null : this.voxelAt(at);
    this.look(zoomedAt(this.state, zoom, anchor?.voxel ?? this.state.position));
  }

  jump(point: Point): void {
    const found = this.voxelAt(point);
    if (found !== null) this.look({ ...this.state, position: found.voxel });
  }

  hover(point: Point | null): void {
    this.pointer = point;
    this.updateHover();
  }

  toggleMaximised(plane: Plane): void {
    if (this.isFlat) return;
    this.only = this.only === null ? plane.id : null;
    this.redraw();
  }

  restore(): boolean {
    if (this.only === null || this.isFlat) return false;
    this.only = null;
    this.redraw();
    return true;
  }

  toggleSegmentation(): void {
    const names = this.scene.layers
      .filter(({ category }) => category === "segmentation")
      .map(({ name }) => name);
    const visible = !names.some((name) => this.state.layers[name]?.visible);
    this.change({ layers: Object.fromEntries(names.map((name) => [name, { visible }])) });
  }

  // Inside.

  /** 2D data fill the element with their one plane. */
  private get isFlat(): boolean {
    return this.scene.boundingBox.depth === 1;
  }

  private look({ position, zoom }: Camera): void {
    this.change({ position: keptInside(position, this.box), zoom });
  }

  private change(patch: StatePatch): void {
    this.setState(patch);
    this.events.emit("state", this.state);
  }

  private openContext(): Context | null {
    const context = openContext(this.stage.canvas, {
      lost: () => {
        this.renderer = null; // its objects went with the context
        this.setProblem(CONTEXT_LOST);
        this.events.emit("contextlost", true);
      },
      restored: () => {
        this.makeRenderer();
        this.setProblem("");
        this.events.emit("contextlost", false);
        this.redraw();
      },
    });
    if (context === null) this.setProblem(NO_WEBGL);
    else this.makeRenderer(context);
    return context;
  }

  private makeRenderer(context = this.context): void {
    if (context !== null) this.renderer = new Renderer(context.gl, this.streamer.layers);
  }

  private redraw(): void {
    this.mustPaint = true;
    this.requestFrame();
  }

  private requestFrame(): void {
    if (this.frameRequest !== 0 || this.disposer.isDisposed) return;
    this.frameRequest = requestAnimationFrame(() => {
      this.frameRequest = 0;
      this.draw();
    });
  }

  /** While bricks stream in, not every request is worth a frame; the first and the last are. */
  private redrawForData(): void {
    const now = performance.now();
    const wait = this.lastDataFrame + DATA_FRAME_MS - now;
    if (wait <= 0 || this.streamer.isComplete) {
      this.lastDataFrame = now;
      this.requestFrame();
    } else {
      this.dataTimer ??= setTimeout(() => {
        this.dataTimer = undefined;
        this.redrawForData();
      }, wait);
    }
  }

  private draw(): void {
    if (this.disposer.isDisposed) return;
    if (this.stage.isHidden) {
      if (!this.stage.willTellOfReturn) this.requestFrame();
      return;
    }
    const { width, height } = this.stage.size;
    const { ratio, isCleared } = this.stage.fitCanvas();
    this.mustPaint ||= isCleared;
    this.layout = layoutPanels(width, height, this.only);
    this.fitBox();
    const { panels } = this.layout;
    const { position } = this.state;
    const view: View = { position, perPixel: this.perPixel(), ratio, panels };
    const isMore = this.tryToRender(view);
    const { zoom } = this.state;
    const nanometers = Math.min(...this.voxelSize) * toNanometers(this.scene.voxelSize.unit) * zoom;
    this.stage.overlay.place(this.layout, nanometers);
    this.updateHover();
    this.report(isMore);
    if (isMore) this.requestFrame();
  }

  /** A driver that refuses a shader must not take the page's other cells down. */
  private tryToRender(view: View): boolean {
    try {
      return this.render(view);
    } catch (error) {
      this.renderer = null;
      console.error(error);
      this.setProblem(
        `The picture can't be drawn: ${error instanceof Error ? error.message : error}`,
      );
      return false;
    }
  }

  /** Returns whether bricks are left for the next frame. While there are, not every frame is painted. */
  private render(view: View): boolean {
    const { renderer, streamer, state } = this;
    if (renderer === null) return false;
    if (streamer.update(view, state, (layer) => renderer.limitOf(layer))) renderer.clearBricks();
    const isMore = renderer.upload(streamer.layers);
    const now = performance.now();
    if (this.mustPaint || !isMore || now - this.lastPaint > DATA_FRAME_MS) {
      const { height } = this.stage.canvas;
      renderer.draw(streamer.layers, { view, state, hovered: this.segments, height });
      this.mustPaint = false;
      this.lastPaint = now;
    }
    return isMore;
  }

  private fitBox(): void {
    const [first] = this.layout.panels;
    if (first === undefined) return;
    const { width, height } = first.rect;
    this.fit = fitZoom(this.box, this.voxelSize, first.plane, width, height);
    if (!this.mustFit) return;
    this.mustFit = false;
    this.state = { ...this.state, zoom: this.fit };
    queueMicrotask(() => this.events.emit("state", this.state));
  }

  private report(isMore: boolean): void {
    const { state, stage, streamer } = this;
    const isLoading = this.renderer !== null && (isMore || !streamer.isComplete);
    const mags = this.shownLayers().map((layer) => layer.mag);
    stage.status.showView(state.position, state.zoom, mags);
    stage.overlay.setBusy(isLoading && !streamer.isHeldUp); // else words tell what is waited for
    if (isLoading !== this.isLoading) {
      this.isLoading = isLoading;
      this.events.emit("loading", isLoading);
    }
    if (this.renderer !== null) this.setProblem(this.dataProblem);
    if (!isLoading) for (const resolve of this.waiting.splice(0)) resolve();
  }

  private setProblem(message: string): void {
    if (message === this.problem) return;
    this.problem = message;
    this.stage.overlay.setMessage(message);
    this.events.emit("error", message);
  }

  private updateHover(): void {
    const at = this.pointer === null ? null : this.voxelAt(this.pointer);
    const { layers } = this.streamer;
    const hover = at === null ? null : hoverAt(at.plane, at.voxel, layers, this.state);
    if (sameHover(hover, this.hovered)) return;
    this.hovered = hover;
    this.stage.status.showHover(hover);
    const segments = hoveredSegments(hover, layers);
    if (!sameSegments(segments, this.segments)) {
      this.segments = segments;
      this.redraw();
    }
    this.events.emit("hover", hover);
  }

  private voxelAt({ x, y }: Point): { plane: Plane; voxel: Vec3 } | null {
    const panel = this.panelAt({ x, y });
    if (panel === null) return null;
    const voxel = pointToVoxel(panel, x, y, this.state.position, this.perPixel());
    return { plane: panel.plane, voxel };
  }

  private perPixel(): Vec3 {
    return voxelsPerPixel(this.voxelSize, this.state.zoom);
  }

  private shownLayers(): readonly LayerView[] {
    return this.streamer.layers.filter(({ spec }) => isShown(this.state.layers[spec.name]));
  }
}
