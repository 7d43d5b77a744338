import { afterEach, expect, test, vi } from "vitest";
import { layerSpec } from "../viewer/testing.ts";
import type { BrickRequest } from "../viewer/types.ts";
import { brickBytes } from "../viewer/voxels.ts";
import { ApiError } from "./errors.ts";
import { Encoding, type FrameEntry } from "./frame.ts";
import { HttpBrickSource } from "./httpBrickSource.ts";
import { setCookie, tellPage } from "./pageTesting.ts";
import { Session } from "./session.ts";
import { encodeFrame, rawBrick } from "./testing.ts";

const COLOR = layerSpec("uint8", { name: "color" });
const ODD = layerSpec("uint8", { name: "a/b c?" });
const SIZE = brickBytes(COLOR);
const NEVER = new AbortController().signal;
const OWN = `${location.origin}/a/b/wk/`;
const ELSEWHERE = "https://elsewhere.example/";

/** A brick of zeros as an LZ4 block: a byte, a match over itself, five literals. */
const ZEROS_LZ4 = (() => {
  const rest = SIZE - 6 - 4 - 15;
  const lengths = [...Array<number>(Math.floor(rest / 255)).fill(255), rest % 255];
  return Uint8Array.from([0x1f, 0, 1, 0, ...lengths, 0x50, 0, 0, 0, 0, 0]);
})();

interface Call {
  url: string;
  init: RequestInit;
  body: { mags: number[][]; bricks: number[][]; accept: string[] };
  answer(response: Response): void;
}

/** Takes the place of the server: the test answers each request itself, an abort ends it as a browser does. */
function stubFetch() {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", (url: URL, init: RequestInit) => {
    return new Promise<Response>((resolve, reject) => {
      const signal = init.signal as AbortSignal;
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
      calls.push({ url: String(url), init, body: JSON.parse(String(init.body)), answer: resolve });
    });
  });
  return calls;
}

const sources: HttpBrickSource[] = [];

function makeSource(session = new Session(OWN)): HttpBrickSource {
  const source = new HttpBrickSource(session, "0123", [COLOR, ODD]);
  sources.push(source);
  return source;
}

function bricks(count: number, first = 0): BrickRequest[] {
  return Array.from({ length: count }, (_, i) => ({ mag: [2, 2, 1], brick: [first + i, 0, 0] }));
}

function frame(...entries: FrameEntry[]): Response {
  return new Response(encodeFrame(entries));
}

const filled = (value: number) => rawBrick(new Uint8Array(SIZE).fill(value).buffer);
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });

afterEach(() => {
  for (const source of sources.splice(0)) source.dispose();
  vi.unstubAllGlobals();
});

test("the page's own server is asked with all that lets a page in", async () => {
  tellPage({ baseUrl: "/a/b/", token: "page-token" });
  setCookie("_xsrf", "2|abc");
  const calls = stubFetch();
  const fetched = makeSource().fetch("a/b c?", bricks(2, 5), NEVER, { t: 4 });
  await eventually(() => expect(calls).toHaveLength(1));
  const [{ url, init, body, answer }] = calls as [Call];
  expect(url).toBe(`${OWN}data/v15/datasets/0123/layers/a%2Fb%20c%3F/bricks`);
  expect(init.method).toBe("POST");
  expect(init.credentials).toBe("same-origin");
  expect(init.headers).toEqual({
    "Content-Type": "application/json",
    "X-XSRFToken": "2|abc",
    Authorization: "token page-token",
  });
  expect(body).toEqual({
    mags: [[2, 2, 1]],
    bricks: [
      [0, 5, 0, 0],
      [0, 6, 0, 0],
    ],
    additionalCoordinates: [{ name: "t", value: 4 }],
    accept: ["zstd-body", "stored", "raw"],
  });
  answer(frame(filled(7), { status: "missing" }));
  expect(await fetched).toEqual([
    { status: "ok", data: new Uint8Array(SIZE).fill(7).buffer },
    { status: "missing" },
  ]);
});

test("a server elsewhere waits for its token, and in nobody's way", async () => {
  tellPage({ baseUrl: "/a/b/", token: "page-token" });
  setCookie("_xsrf", "2|abc");
  const calls = stubFetch();
  const session = new Session(ELSEWHERE);
  const take = session.expectToken();
  const source = makeSource(session);
  const fetched = [1, 2, 3, 4].map((x) => source.fetch("color", bricks(1, x), NEVER, {}));
  const abort = new AbortController();
  const given = source.fetch("color", bricks(1, 9), abort.signal, {});
  const own = makeSource().fetch("color", bricks(1), NEVER, {});
  await eventually(() => expect(calls).toHaveLength(1));
  expect(calls[0]?.url).toContain(OWN);
  calls[0]?.answer(frame(filled(1)));
  await own;
  abort.abort(new Error("moved on"));
  await expect(given).rejects.toThrow("moved on");
  take("secret");
  await eventually(() => expect(calls).toHaveLength(5));
  for (const { url, init, answer } of calls.slice(1)) {
    expect(url).toBe(`${ELSEWHERE}data/v15/datasets/0123/layers/color/bricks`);
    expect(init.credentials).toBe("omit");
    expect(init.headers).toEqual({
      "Content-Type": "application/json",
      "X-Auth-Token": "secret",
    });
    answer(frame(filled(2)));
  }
  expect(await Promise.all(fetched)).toHaveLength(4);
});

test("what is stored packed is unpacked by workers", async () => {
  const calls = stubFetch();
  const fetched = makeSource().fetch("color", bricks(3), NEVER, {});
  await eventually(() => expect(calls).toHaveLength(1));
  const lz4 = (payload: Uint8Array<ArrayBuffer>): FrameEntry => ({
    status: "ok",
    encoding: Encoding.LZ4,
    payload,
  });
  calls[0]?.answer(frame(lz4(ZEROS_LZ4), lz4(ZEROS_LZ4.slice(0, 40)), filled(3)));
  expect(await fetched).toEqual([
    { status: "ok", data: new ArrayBuffer(SIZE) },
    { status: "failed", error: expect.stringContaining("A stored brick is damaged") },
    { status: "ok", data: new Uint8Array(SIZE).fill(3).buffer },
  ]);
});

test("a page without workers has the server unpack", async () => {
  vi.stubGlobal("Worker", function forbid() {
    throw new DOMException("no workers here", "SecurityError");
  });
  const calls = stubFetch();
  const fetched = makeSource().fetch("color", bricks(1), NEVER, {});
  await eventually(() => expect(calls).toHaveLength(1));
  expect(calls[0]?.body.accept).toEqual(["zstd-body", "raw"]);
  calls[0]?.answer(frame(filled(1)));
  expect((await fetched)[0]?.status).toBe("ok");
});

test("workers that turn out not to run are done without", async () => {
  const gone = URL.createObjectURL(new Blob([]));
  URL.revokeObjectURL(gone);
  vi.stubGlobal(
    "Worker",
    class extends Worker {
      constructor() {
        super(gone);
      }
    },
  );
  const calls = stubFetch();
  const fetched = makeSource().fetch("color", bricks(1), NEVER, {});
  await eventually(() => expect(calls).toHaveLength(1));
  calls[0]?.answer(frame({ status: "ok", encoding: Encoding.LZ4, payload: ZEROS_LZ4 }));
  await eventually(() => expect(calls).toHaveLength(2));
  expect(calls[1]?.body.accept).toEqual(["raw"]);
  calls[1]?.answer(frame(filled(8)));
  expect(await fetched).toEqual([{ status: "ok", data: new Uint8Array(SIZE).fill(8).buffer }]);
});

test("a body that a damaged brick spoils is asked for once more, each brick apart", async () => {
  const calls = stubFetch();
  const fetched = makeSource().fetch("color", bricks(1), NEVER, {});
  await eventually(() => expect(calls).toHaveLength(1));
  const spoiled = new ReadableStream({ start: (body) => body.error(new TypeError("zstd")) });
  calls[0]?.answer(new Response(spoiled));
  await eventually(() => expect(calls).toHaveLength(2));
  expect(calls[1]?.body.accept).toEqual(["stored", "raw"]);
  calls[1]?.answer(new Response("no frame"));
  await expect(fetched).rejects.toThrow("not a frame");
  expect(calls).toHaveLength(2);
});

test("the server's words and its hint reach the viewer", async () => {
  const calls = stubFetch();
  const fetched = makeSource().fetch("color", bricks(1), NEVER, {});
  const error = fetched.catch((reason: unknown) => reason);
  await eventually(() => expect(calls).toHaveLength(1));
  const said = { error: "There is no layer colour.", hint: "It has color.", code: "layerNotFound" };
  calls[0]?.answer(new Response(JSON.stringify({ messages: [said] }), { status: 404 }));
  const told = (await error) as ApiError;
  expect(told).toBeInstanceOf(ApiError);
  expect(told.message).toBe("There is no layer colour. It has color.");
  expect([told.status, told.code]).toEqual([404, "layerNotFound"]);
  expect(calls).toHaveLength(1);
});

test("a server that does not answer is named", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  const fetched = makeSource().fetch("color", bricks(1), NEVER, {});
  const told = (await fetched.catch((reason: unknown) => reason)) as ApiError;
  expect(told).toBeInstanceOf(ApiError);
  expect(told.status).toBe(0);
  expect(told.message).toContain(`The server at ${OWN} does not answer.`);
});

test("four requests a page are open; an abort ends one, or takes it from the line", async () => {
  const calls = stubFetch();
  const one = makeSource();
  const other = makeSource();
  const aborts = Array.from({ length: 6 }, () => new AbortController());
  const fetched = aborts.map(({ signal }, i) =>
    (i % 2 === 0 ? one : other).fetch("color", bricks(1, i), signal, {}),
  );
  await eventually(() => expect(calls).toHaveLength(4));
  const first = (call: Call | undefined) => call?.body.bricks[0]?.[1];
  aborts[4]?.abort(new Error("left the line"));
  await expect(fetched[4]).rejects.toThrow("left the line");
  expect(calls).toHaveLength(4);
  aborts[0]?.abort(new Error("moved on"));
  await expect(fetched[0]).rejects.toThrow("moved on");
  await eventually(() => expect(calls).toHaveLength(5));
  expect(first(calls[4])).toBe(5);
  for (const call of calls) call.answer(frame(filled(first(call) ?? 0)));
  const rest = await Promise.all([1, 2, 3, 5].map((i) => fetched[i]));
  const values = rest.map((r) => r?.[0]?.status === "ok" && new Uint8Array(r[0].data)[0]);
  expect(values).toEqual([1, 2, 3, 5]);
});

test("an abort while the answer comes in asks nobody again", async () => {
  const calls = stubFetch();
  const abort = new AbortController();
  const fetched = makeSource().fetch("color", bricks(1), abort.signal, {});
  await eventually(() => expect(calls).toHaveLength(1));
  const body = new ReadableStream({
    start: (stream) =>
      abort.signal.addEventListener("abort", () => stream.error(abort.signal.reason)),
  });
  calls[0]?.answer(new Response(body));
  abort.abort(new Error("moved on"));
  await expect(fetched).rejects.toThrow(); // in the words of the browser
  expect(calls).toHaveLength(1);
});

test("an unknown layer is no request", async () => {
  const calls = stubFetch();
  await expect(makeSource().fetch("nope", bricks(1), NEVER, {})).rejects.toThrow("no layer nope");
  expect(calls).toHaveLength(0);
});
