import { Disposer } from "../core/disposable.ts";
import { make } from "./dom.ts";
import { makeFacts } from "./facts.ts";
import { Overlay } from "./overlay.ts";
import { StatusBar } from "./statusBar.ts";
import { VIEWER_CSS } from "./styles.ts";
import type { Scene } from "./types.ts";

/** The viewer's elements: a root that takes the focus, a stage with the canvas and its overlay, a line below. */
export class Stage {
  readonly root: HTMLElement;
  readonly stage: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly overlay: Overlay;
  readonly status: StatusBar;
  private readonly disposer = new Disposer();
  /** As the size was when its observer looked last: it tells of changes from that alone. */
  private wasHidden = true;

  constructor(parent: HTMLElement, scene: Scene) {
    this.root = make("div", "wk-viewer", parent);
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    this.root.setAttribute(
      "aria-label",
      `${scene.name}: three planes of a volume. Arrow keys pan, F and D go through slices, I and O zoom, ` +
        "full stop maximises a plane, Escape leaves.",
    );
    // JupyterLab would open its own menu, and run its own commands on the viewer's keys.
    this.root.dataset.jpSuppressContextMenu = "true";
    this.root.dataset.lmSuppressShortcuts = "true";
    make("style", "", this.root).textContent = VIEWER_CSS;
    this.stage = make("div", "wk-viewer-stage", this.root);
    this.canvas = make("canvas", "", this.stage);
    this.overlay = new Overlay(this.stage, makeFacts(scene));
    this.status = new StatusBar(this.root);
  }

  /** CSS pixels that the panels share. */
  get size(): { width: number; height: number } {
    return { width: this.stage.clientWidth, height: this.stage.clientHeight };
  }

  get isHidden(): boolean {
    const { width, height } = this.size;
    return width === 0 || height === 0;
  }

  /**
   * Whether the end of being hidden will be told. It is not where the stage was hidden for a part of a frame
   * only, as JupyterLab does to the whole page when its theme changes: then who finds it hidden has to look again.
   */
  get willTellOfReturn(): boolean {
    return this.wasHidden;
  }

  /** Tell of every change of the size in CSS pixels or in the screen's. */
  watchSize(changed: () => void): void {
    const observer = new ResizeObserver(() => {
      this.wasHidden = this.isHidden;
      changed();
    });
    observer.observe(this.stage);
    this.disposer.add(() => observer.disconnect());
    // Moving to a screen of another resolution changes no element's size.
    window.addEventListener("resize", changed);
    this.disposer.add(() => window.removeEventListener("resize", changed));
  }

  /** Give the canvas a pixel for each of the screen's. `isCleared`: it had to change, and is empty now. */
  fitCanvas(): { ratio: number; isCleared: boolean } {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size;
    const wide = Math.round(width * ratio);
    const high = Math.round(height * ratio);
    const { canvas } = this;
    const isCleared = canvas.width !== wide || canvas.height !== high;
    if (isCleared) {
      canvas.width = wide;
      canvas.height = high;
    }
    return { ratio, isCleared };
  }

  dispose(): void {
    this.disposer.dispose();
    this.root.remove();
  }
}
