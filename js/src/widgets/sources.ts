import type { AnyModel } from "@anywidget/types";
import { CommBrickSource } from "../api/commBrickSource.ts";
import { HttpBrickSource } from "../api/httpBrickSource.ts";
import { jupyterBase, Session } from "../api/session.ts";
import type { Disposer } from "../core/disposable.ts";
import type { BrickSource, Scene } from "../viewer/types.ts";

/** The trait `source`: a dataset of a server, or the kernel itself. */
interface SourceTrait {
  kind: "http" | "comm";
  base?: string;
  dataset?: string;
}

export function makeSource(model: AnyModel, scene: Scene, disposer: Disposer): BrickSource {
  const { kind, base = "/wk/", dataset } = model.get("source") as SourceTrait;
  const source =
    kind === "http" && dataset !== undefined
      ? new HttpBrickSource(makeSession(model, base, disposer), dataset, scene.layers)
      : new CommBrickSource(model, scene.layers);
  disposer.add(() => source.dispose());
  return source;
}

function makeSession(model: AnyModel, base: string, disposer: Disposer): Session {
  if (!/^https?:/.test(base)) {
    // A path is one of the page's own server, which may stand behind a prefix that the kernel does not know.
    const own = jupyterBase();
    return new Session(own === null ? new URL(base, location.href).href : `${own}wk/`);
  }
  const session = new Session(base.endsWith("/") ? base : `${base}/`);
  receiveToken(model, session.expectToken(), disposer);
  return session;
}

/** A token comes by a message, because a widget's state is saved into the notebook. */
function receiveToken(
  model: AnyModel,
  take: (token: string | null) => void,
  disposer: Disposer,
): void {
  const receive = (message: { type?: string; token?: string | null }) => {
    if (message.type === "token") take(message.token ?? null);
  };
  model.on("msg:custom", receive);
  disposer.add(() => model.off("msg:custom", receive));
  model.send({ type: "token" });
}
