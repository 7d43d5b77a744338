/**
 * The widget's `_esm`. It is sent to the page for every widget, so it only fetches the code, which all
 * widgets of a page then share: from the server extension, else, once a page, from the kernel.
 */
import type { AnyModel } from "@anywidget/types";

interface Module {
  render(context: { model: AnyModel; el: HTMLElement }): undefined | (() => void);
}

const shared = globalThis as { wkJupyterModule?: Promise<Module> | undefined };
const KERNEL_WAIT_MS = 20_000;

function baseUrl(model: AnyModel): string {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  const found = (config ? JSON.parse(config).baseUrl : null) ?? document.body.dataset.baseUrl;
  return new URL(found ?? model.get("_base_url") ?? "/", location.origin).href;
}

async function fromServer(base: string): Promise<Module> {
  const root = `${base}static/wk_jupyter/`;
  const answer = await fetch(`${root}manifest.json`, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return import(root + (await answer.json()).viewer);
}

function fromKernel(model: AnyModel): Promise<Module> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the kernel is silent")), KERNEL_WAIT_MS);
    model.on("msg:custom", (message: { type?: string }, buffers: DataView[]) => {
      if (message.type !== "bundle" || !buffers[0]) return;
      clearTimeout(timer);
      const blob = new Blob([buffers[0] as BlobPart], { type: "text/javascript" });
      import(URL.createObjectURL(blob)).then(resolve, reject);
    });
    model.send({ type: "bundle" });
  });
}

async function render({ model, el }: { model: AnyModel; el: HTMLElement }) {
  shared.wkJupyterModule ??= fromServer(baseUrl(model)).catch(() => fromKernel(model));
  try {
    return (await shared.wkJupyterModule).render({ model, el });
  } catch (error) {
    shared.wkJupyterModule = undefined;
    el.textContent = `The viewer's code could not be loaded (${error instanceof Error ? error.message : error}). Run the cell again; is wk_jupyter installed where Jupyter runs?`;
  }
}

export default { render };
