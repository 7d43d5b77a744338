import type { ViewerHandle, ViewerOptions } from "./types.ts";
import { Viewer } from "./viewer.ts";

/** Show a scene in an element, which gives the size. `destroy()` frees everything. */
export function createViewer(el: HTMLElement, options: ViewerOptions): ViewerHandle {
  return new Viewer(el, options);
}
