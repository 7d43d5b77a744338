import { Disposer } from "../../core/disposable.ts";

export interface ContextEvents {
  lost(): void;
  /** The context is back, empty: everything has to be made anew. */
  restored(): void;
}

export interface Context {
  readonly gl: WebGL2RenderingContext;
  dispose(): void;
}

/** Open a canvas for WebGL 2; null where the browser gives none. */
export function openContext(canvas: HTMLCanvasElement, events: ContextEvents): Context | null {
  const gl = canvas.getContext("webgl2", {
    alpha: true, // the page's background shows where a dataset has nothing
    premultipliedAlpha: true,
    antialias: false,
    depth: false,
    stencil: false,
  });
  if (gl === null) return null;
  const disposer = new Disposer();
  const onLost = (event: Event) => {
    event.preventDefault(); // or the browser would never give it back
    events.lost();
  };
  const onRestored = () => events.restored();
  canvas.addEventListener("webglcontextlost", onLost);
  canvas.addEventListener("webglcontextrestored", onRestored);
  disposer.add(() => {
    canvas.removeEventListener("webglcontextlost", onLost);
    canvas.removeEventListener("webglcontextrestored", onRestored);
    // Browsers allow some 16 contexts a page, and would free this one only with the garbage.
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  });
  return { gl, dispose: () => disposer.dispose() };
}
