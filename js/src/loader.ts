/**
 * The widget's `_esm`. It is sent to the page for every widget, so it only fetches the code, which all
 * widgets of a page then share: from the server extension, else, once a page, from the kernel.
 */
import type { AnyModel } from "@anywidget/types";

interface View {
  model: AnyModel;
  el: HTMLElement;
  signal?: AbortSignal;
}

interface Module {
  render(view: View): () => void;
}

const page = globalThis as { wkJupyterModule?: Promise<Module> | undefined };
const KERNEL_WAIT_MS = 20_000;

/**
 * As JupyterLab, Notebook 7, nbclassic and Voila tell it; else as the kernel does. The kernel gives a path for
 * the page's own server; to any other the page would hand itself over by running that one's code.
 */
function baseUrl(model: AnyModel): string {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  const found = (config ? JSON.parse(config).baseUrl : null) ?? document.body.dataset.baseUrl;
  if (found) return new URL(found, location.origin).href;
  const base: string = model.get("source")?.base ?? "";
  return new URL("../", new URL(base.startsWith("/") ? base : "/wk/", location.href)).href;
}

async function fromServer(model: AnyModel): Promise<Module> {
  const root = `${baseUrl(model)}static/wk_jupyter/`;
  const answer = await fetch(`${root}manifest.json`, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const { viewer } = await answer.json();
  return import(/* @vite-ignore */ root + viewer);
}

function fromKernel({ model, el }: View): Promise<Module> {
  el.textContent = "Waiting for the kernel, which has the viewer's code …";
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      model.off("msg:custom", receive);
    };
    const receive = (message: { type?: string }, buffers: DataView[]) => {
      if (message.type !== "bundle" || !buffers[0]) return;
      stop();
      const blob = new Blob([buffers[0] as BlobPart], { type: "text/javascript" });
      const url = URL.createObjectURL(blob);
      import(/* @vite-ignore */ url).then(resolve, reject).finally(() => URL.revokeObjectURL(url));
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error("the kernel does not answer"));
    }, KERNEL_WAIT_MS);
    model.on("msg:custom", receive);
    model.send({ type: "bundle" });
  });
}

function load(view: View): Promise<Module> {
  const module = fromServer(view.model).catch(() => fromKernel(view));
  module.catch(() => {
    page.wkJupyterModule = undefined; // the next view tries again
  });
  return module;
}

async function render(view: View) {
  const { el, signal } = view;
  let module: Module;
  try {
    page.wkJupyterModule ??= load(view);
    module = await page.wkJupyterModule;
  } catch (error) {
    el.textContent = `The viewer's code could not be loaded (${(error as Error).message}). Install wk_jupyter where Jupyter runs, or wait until the kernel is idle, then run this cell again.`;
    return;
  }
  el.textContent = "";
  if (!signal?.aborted) return module.render(view);
}

export default { render };
