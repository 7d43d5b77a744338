import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { tellPage } from "./api/pageTesting.ts";
import loader from "./loader.ts";
import { FakeModel } from "./widgets/testing.ts";

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

/** Takes the place of the server; keeps what it was asked. */
function stubFetch(answer: () => Response | Promise<Response>) {
  const fetched = vi.fn((_url: string, _init?: RequestInit) => Promise.resolve(answer()));
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

const notFound = () => new Response("<html>no such page</html>", { status: 404 });
const MANIFEST = "static/wk_jupyter/manifest.json";

beforeEach(() => {
  stubFetch(notFound);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
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

test("a silent kernel is waited for, then a sentence says so, and nobody listens any more", async () => {
  vi.useFakeTimers();
  const fake = new FakeModel({ source: { kind: "comm" } });
  const el = document.createElement("div");
  const drawn = loader.render({ model: fake.model, el });
  await vi.advanceTimersByTimeAsync(19_999);
  expect(fake.sent).toEqual([{ type: "bundle" }]);
  expect(el.textContent).toContain("Waiting for the kernel");
  fake.receive({ type: "token" });
  fake.receive({ type: "bundle" }); // without the code
  await vi.advanceTimersByTimeAsync(1);
  expect(await drawn).toBeUndefined();
  expect(el.textContent).toContain("the kernel does not answer");
  expect(fake.listenerCount).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("once the code is there no timer and no address is kept", async () => {
  vi.useFakeTimers();
  const made = vi.spyOn(URL, "createObjectURL");
  const revoked = vi.spyOn(URL, "revokeObjectURL");
  const fake = new FakeModel({ source: { kind: "comm" } });
  const el = document.createElement("div");
  const drawn = loader.render({ model: fake.model, el });
  await vi.advanceTimersByTimeAsync(0);
  fake.receive({ type: "bundle" }, new TextEncoder().encode(CODE).buffer);
  await drawn;
  expect(el.textContent).toBe("drawn");
  expect(vi.getTimerCount()).toBe(0);
  expect(made).toHaveBeenCalledOnce();
  expect(revoked.mock.calls).toEqual(made.mock.results.map(({ value }) => [value]));
});

test("a kernel that is gone is told of at once", async () => {
  const fake = makeModel(null);
  fake.onSend = () => {
    throw new Error("Cannot send");
  };
  const el = document.createElement("div");
  await loader.render({ model: fake.model, el });
  expect(el.textContent).toContain("could not be loaded (Cannot send)");
});

test("the server's code is taken where an extension answers, and the kernel is not asked", async () => {
  tellPage({ baseUrl: "/a/b/" });
  // The address of this module as the tests' server has it, seen from the extension's.
  const fetched = stubFetch(() => Response.json({ viewer: "../../../../src/loaderTesting.ts" }));
  const fake = makeModel(CODE);
  const els = [1, 2].map(() => document.createElement("div"));
  await Promise.all(els.map((el) => loader.render({ model: fake.model, el })));
  expect(els.map((el) => el.textContent)).toEqual(["from the server", "from the server"]);
  expect(fetched.mock.calls).toEqual([
    [`${location.origin}/a/b/${MANIFEST}`, { cache: "no-cache" }],
  ]);
  expect(fake.sent).toEqual([]);
});

test.each([
  ["is broken", () => new Response("{")],
  ["names code that is not there", () => Response.json({ viewer: "no/such.js" })],
  ["cannot be reached", () => Promise.reject(new TypeError("Failed to fetch"))],
])("where the extension's list %s the kernel is asked", async (_what, answer) => {
  stubFetch(answer);
  const fake = makeModel(CODE);
  const el = document.createElement("div");
  await loader.render({ model: fake.model, el });
  expect(el.textContent).toBe("drawn");
  expect(fake.sent).toEqual([{ type: "bundle" }]);
});

test.each([
  ["JupyterLab tells", { baseUrl: "/a/b/" }, undefined, "/x/wk/", "/a/b/"],
  ["nbclassic tells", null, "/classic/", "/x/wk/", "/classic/"],
  ["the kernel tells", null, undefined, "/x/wk/", "/x/"],
  ["nobody tells", null, undefined, undefined, "/"],
  ["only another server is known", null, undefined, "https://elsewhere.example/wk/", "/"],
])("where %s the extension's address it is looked for there", async (...given) => {
  const [, config, classic, base, expected] = given;
  tellPage(config);
  if (classic !== undefined) document.body.dataset.baseUrl = classic;
  const fetched = stubFetch(notFound);
  const fake = makeModel(CODE);
  fake.change("source", { kind: "http", base });
  await loader.render({ model: fake.model, el: document.createElement("div") });
  expect(fetched.mock.calls.map(([url]) => url)).toEqual([
    `${location.origin}${expected}${MANIFEST}`,
  ]);
});
