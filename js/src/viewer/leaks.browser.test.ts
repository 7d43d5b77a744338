import { expect, test, vi } from "vitest";
import { nextFrame } from "./browserTesting.ts";
import { createViewer } from "./createViewer.ts";
import { layerSpec, SyntheticSource, sceneOf } from "./testing.ts";

const ROUNDS = 30;
const KINDS = ["Texture", "Program", "Shader", "Buffer", "Framebuffer", "VertexArray"] as const;

/** Counts what is made and not yet unmade, by watching a pair of methods; `counts` says on which objects. */
function balance(
  target: object,
  make: string,
  unmake: string,
  counts: (context: unknown) => boolean = () => true,
): () => number {
  const made = vi.spyOn(target as Record<string, () => void>, make);
  const unmade = vi.spyOn(target as Record<string, () => void>, unmake);
  const number = (spy: typeof made) => spy.mock.contexts.filter(counts).length;
  return () => number(made) - number(unmade);
}

test(`mounting and destroying ${ROUNDS} times leaves nothing behind`, async () => {
  const box = { topLeft: [0, 0, 0] as const, width: 64, height: 64, depth: 64 };
  const layers = [
    layerSpec("uint8", { name: "color", boundingBox: box }),
    layerSpec("uint64", { name: "ids", category: "segmentation", boundingBox: box }),
  ];
  const gl = WebGL2RenderingContext.prototype;
  const counts = {
    ...Object.fromEntries(
      KINDS.map((kind) => [kind, balance(gl, `create${kind}`, `delete${kind}`)]),
    ),
    listeners: balance(
      EventTarget.prototype,
      "addEventListener",
      "removeEventListener",
      (target) => target instanceof Element || target === window || target === undefined,
    ),
    observers: balance(ResizeObserver.prototype, "observe", "disconnect"),
  };
  const contexts: WebGL2RenderingContext[] = [];
  let aborted = 0;
  const el = document.createElement("div");
  el.style.cssText = "position:relative;width:200px;height:172px";
  document.body.append(el);
  const elements = document.querySelectorAll("*").length;
  for (let round = 0; round < ROUNDS; round += 1) {
    // Every other one is destroyed while its bricks are on their way.
    const isLate = round % 2 === 0;
    const source = new SyntheticSource(
      layers,
      ([x]) => [x as never],
      () => (isLate ? { status: "missing" } : "never"),
    );
    const viewer = createViewer(el, { scene: sceneOf(layers), source });
    if (isLate) await viewer.settled();
    const canvas = el.querySelector("canvas") as HTMLCanvasElement;
    contexts.push(canvas.getContext("webgl2") as WebGL2RenderingContext);
    viewer.destroy();
    viewer.destroy();
    aborted += source.aborted;
    expect(el.childElementCount).toBe(0);
  }
  const draws = vi.spyOn(gl, "drawArrays");
  await nextFrame();
  expect(draws).not.toHaveBeenCalled();
  const open = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count()]));
  vi.restoreAllMocks();
  expect(document.querySelectorAll("*").length).toBe(elements);
  for (const kind of KINDS) expect(open[kind], kind).toBe(0);
  expect(open.observers).toBe(0);
  expect(open.listeners).toBe(0);
  expect(contexts.every((context) => context.isContextLost())).toBe(true);
  expect(aborted).toBeGreaterThanOrEqual(ROUNDS / 2);
  el.remove();
});
