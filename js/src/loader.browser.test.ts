import { afterEach, expect, test, vi } from "vitest";
import loader from "./loader.ts";
import { FakeModel } from "./widgets/testing.ts";

// No server extension answers at this page's address.

const CODE = `
  globalThis.evaluated = (globalThis.evaluated ?? 0) + 1;
  export const render = ({ el }) => {
    el.textContent = "drawn";
    return () => el.remove();
  };
`;

interface Page {
  evaluated?: number;
  wkJupyterModule?: Promise<unknown> | undefined;
}

function makeModel(code: string | null): FakeModel {
  const fake = new FakeModel({ source: { kind: "comm" } });
  fake.onSend = () => {
    const bytes = code === null ? undefined : new TextEncoder().encode(code).buffer;
    setTimeout(() => fake.receive({ type: "bundle" }, bytes));
  };
  return fake;
}

afterEach(() => {
  (globalThis as Page).wkJupyterModule = undefined;
  (globalThis as Page).evaluated = 0;
  vi.useRealTimers();
});

test("where no extension answers the kernel is asked for the code, once a page", async () => {
  const fake = makeModel(CODE);
  const els = [1, 2, 3].map(() => document.createElement("div"));
  const views = els.map((el) => loader.render({ model: fake.model, el }));
  const closers = await Promise.all(views);
  expect(els.map((el) => el.textContent)).toEqual(["drawn", "drawn", "drawn"]);
  expect(fake.sent).toEqual([{ type: "bundle" }]);
  expect((globalThis as Page).evaluated).toBe(1);
  expect(fake.listenerCount).toBe(0);
  expect(closers.every((close) => typeof close === "function")).toBe(true);
});

test("a view that was closed meanwhile is not drawn", async () => {
  const el = document.createElement("div");
  const abort = new AbortController();
  const drawn = loader.render({ model: makeModel(CODE).model, el, signal: abort.signal });
  abort.abort();
  expect(await drawn).toBeUndefined();
  expect(el.textContent).toBe("");
});

test("when neither has it, a sentence says what to do, and the next view tries again", async () => {
  const el = document.createElement("div");
  await loader.render({ model: makeModel("this is no code").model, el });
  expect(el.textContent).toContain("Install wk_jupyter where Jupyter runs");
  await loader.render({ model: makeModel(CODE).model, el });
  expect(el.textContent).toBe("drawn");
});
