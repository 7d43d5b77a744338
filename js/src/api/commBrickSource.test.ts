import { afterEach, expect, test, vi } from "vitest";
import { brickData, layerSpec } from "../viewer/testing.ts";
import type { BrickRequest } from "../viewer/types.ts";
import { FakeModel } from "../widgets/testing.ts";
import { CommBrickSource } from "./commBrickSource.ts";
import { encodeFrame, rawBrick } from "./testing.ts";

/** Waits longer than a busy machine takes. */
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 20_000 });

const LAYERS = [layerSpec("uint8", { name: "color" }), layerSpec("uint64", { name: "ids" })];
const NEVER = new AbortController().signal;

interface Question {
  id: string;
  layer: string;
  mags: number[][];
  bricks: number[][];
}

const sources: CommBrickSource[] = [];

function make(fake = new FakeModel({}), patienceMs?: number) {
  const source = new CommBrickSource(fake.model, LAYERS, patienceMs);
  sources.push(source);
  const asked = () => fake.sent as unknown as Question[];
  /** Answer a question as the kernel does, each voxel being its brick's x. */
  const answer = ({ id, layer, bricks }: Question) => {
    const spec = LAYERS.find(({ name }) => name === layer) as (typeof LAYERS)[0];
    const entries = bricks.map(([, x = 0]) =>
      rawBrick(brickData(spec, [1, 1, 1], [0, 0, 0], () => [layer === "ids" ? BigInt(x) : x])),
    );
    fake.receive({ type: "bricks", id }, encodeFrame(entries));
  };
  return { fake, source, asked, answer };
}

function bricks(count: number, first = 0): BrickRequest[] {
  return Array.from({ length: count }, (_, i) => ({ mag: [1, 1, 1], brick: [first + i, 0, 0] }));
}

function firstBytes(results: { status: string; data?: ArrayBuffer }[]): (number | undefined)[] {
  return results.map(({ data }) => data && new Uint8Array(data)[0]);
}

async function promisesSettle() {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

afterEach(() => {
  for (const source of sources.splice(0)) source.dispose();
  vi.useRealTimers();
});

test("bricks come by messages, in the order that they were asked for", async () => {
  const { fake, source, asked, answer } = make();
  fake.onSend = (message) => answer(message as unknown as Question);
  const requests: BrickRequest[] = [
    { mag: [2, 2, 1], brick: [5, 6, 7] },
    { mag: [1, 1, 1], brick: [8, 9, 10] },
    { mag: [2, 2, 1], brick: [6, 6, 7] },
  ];
  const results = await source.fetch("color", requests, NEVER, { t: 3 });
  expect(firstBytes(results)).toEqual([5, 8, 6]);
  expect(asked()).toEqual([
    {
      type: "bricks",
      id: expect.any(String),
      layer: "color",
      mags: [
        [2, 2, 1],
        [1, 1, 1],
      ],
      bricks: [
        [0, 5, 6, 7],
        [1, 8, 9, 10],
        [0, 6, 6, 7],
      ],
      additionalCoordinates: [{ name: "t", value: 3 }],
    },
  ]);
});

test("no answer is over a megabyte, and the kernel owes two at most", async () => {
  const { source, asked, answer } = make();
  const fetched = source.fetch("ids", bricks(11), NEVER, {}); // of 256 KiB each
  expect(asked().map((question) => question.bricks.length)).toEqual([4, 4]);
  const [first, second] = asked() as [Question, Question];
  answer(second); // answers may come in any order
  await eventually(() => expect(asked()).toHaveLength(3));
  expect(asked()[2]?.bricks).toHaveLength(3);
  answer(first);
  answer(asked()[2] as Question);
  expect(firstBytes(await fetched)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("what is aborted is not asked for; what was asked for keeps its place until it is answered", async () => {
  const { source, asked, answer } = make();
  const abort = new AbortController();
  const old = source.fetch("ids", bricks(12), abort.signal, {});
  const late = source.fetch("ids", bricks(1, 70), NEVER, {});
  expect(asked()).toHaveLength(2);
  abort.abort(new Error("moved on"));
  await expect(old).rejects.toThrow("moved on");
  expect(asked()).toHaveLength(2);
  answer(asked()[0] as Question);
  await eventually(() => expect(asked()).toHaveLength(3));
  answer(asked()[2] as Question);
  expect(firstBytes(await late)).toEqual([70]);
});

test("two views of a model, whose messages all views hear, keep to their own", async () => {
  const fake = new FakeModel({});
  const one = make(fake);
  const other = make(fake);
  const fetched = [
    one.source.fetch("color", bricks(1, 1), NEVER, {}),
    other.source.fetch("color", bricks(1, 2), NEVER, {}),
  ];
  for (const question of one.asked().slice().reverse()) one.answer(question);
  expect((await Promise.all(fetched)).map(firstBytes)).toEqual([[1], [2]]);
});

test("the kernel's words reach the viewer, and what is no answer is refused", async () => {
  const { fake, source, asked, answer } = make();
  const told = source.fetch("color", bricks(1), NEVER, {});
  fake.receive({ type: "bricks", id: asked()[0]?.id, error: "scan1 is gone." });
  await expect(told).rejects.toThrow("scan1 is gone.");
  const short = source.fetch("color", bricks(2), NEVER, {});
  fake.receive({ type: "bricks", id: asked()[1]?.id }, encodeFrame([{ status: "missing" }]));
  await expect(short).rejects.toThrow("1 bricks instead of 2");
  fake.receive({ type: "bricks", id: "unknown" }, encodeFrame([]));
  const last = source.fetch("color", bricks(1, 9), NEVER, {});
  answer(asked()[2] as Question);
  expect(firstBytes(await last)).toEqual([9]);
  await expect(source.fetch("nope", bricks(1), NEVER, {})).rejects.toThrow("no layer nope");
});

test("a silent kernel is told of, without asking it more; when it speaks all goes on", async () => {
  vi.useFakeTimers();
  const { source, asked, answer } = make(undefined, 1000);
  const waiting = [1, 2, 3].map((x) => source.fetch("color", bricks(1, x), NEVER, {}));
  const refused = waiting.map((fetched) =>
    expect(fetched).rejects.toThrow("kernel does not answer"),
  );
  vi.advanceTimersByTime(999);
  expect(asked()).toHaveLength(2);
  vi.advanceTimersByTime(1);
  await Promise.all(refused);
  const again = source.fetch("color", bricks(1, 4), NEVER, {});
  expect(asked()).toHaveLength(2);
  answer(asked()[0] as Question);
  await promisesSettle(); // `vi.waitFor` would move the clock
  expect(asked()).toHaveLength(3);
  vi.advanceTimersByTime(999); // counted from the last that was heard
  answer(asked()[2] as Question);
  expect(firstBytes(await again)).toEqual([4]);
});

test("where the page knows that the kernel is gone this is said at once, and keeps no place", async () => {
  const { fake, source, asked, answer } = make();
  fake.onSend = () => {
    throw new Error("Cannot send"); // as JupyterLab has it
  };
  const waiting = [1, 2, 3].map((x) => source.fetch("color", bricks(1, x), NEVER, {}));
  for (const fetched of waiting) await expect(fetched).rejects.toThrow("kernel does not answer");
  fake.onSend = () => {};
  const fetched = source.fetch("ids", bricks(8), NEVER, {});
  expect(asked()).toHaveLength(5); // both places are free
  for (const question of asked().slice(3)) answer(question);
  expect(await fetched).toHaveLength(8);
});

test("a closed source frees all and leaves nobody waiting", async () => {
  const { fake, source } = make();
  const waiting = source.fetch("ids", bricks(9), NEVER, {});
  source.dispose();
  sources.length = 0;
  await expect(waiting).rejects.toThrow("closed");
  expect(fake.listenerCount).toBe(0);
});
