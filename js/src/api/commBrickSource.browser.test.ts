import { afterEach, expect, test, vi } from "vitest";
import { layerSpec } from "../viewer/testing.ts";
import type { BrickRequest } from "../viewer/types.ts";
import { brickBytes } from "../viewer/voxels.ts";
import { FakeModel } from "../widgets/testing.ts";
import { CommBrickSource } from "./commBrickSource.ts";
import { Encoding, type FrameEntry } from "./frame.ts";
import { encodeFrame } from "./testing.ts";

// commBrickSource.test.ts has the rules of asking; this is what takes a browser's workers and messages.

const LAYER = layerSpec("uint16", { name: "color" });
const SIZE = brickBytes(LAYER);
const NEVER = new AbortController().signal;
const BRICKS: BrickRequest[] = [0, 1, 2].map((x) => ({ mag: [1, 1, 1], brick: [x, 0, 0] }));

async function gzip(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const sources: CommBrickSource[] = [];

function makeSource(fake: FakeModel): CommBrickSource {
  const source = new CommBrickSource(fake.model, [LAYER]);
  sources.push(source);
  return source;
}

afterEach(() => {
  for (const source of sources.splice(0)) source.dispose();
  vi.unstubAllGlobals();
});

test("bricks that the kernel sends packed are unpacked by workers", async () => {
  const voxels = Uint8Array.from({ length: SIZE }, (_, i) => (i * i) >> 5);
  const payload = await gzip(voxels);
  const entries: FrameEntry[] = [
    { status: "ok", encoding: Encoding.GZIP, payload },
    { status: "failed", error: "x0.wkw is damaged." },
    { status: "ok", encoding: Encoding.RAW, payload: voxels },
  ];
  const fake = new FakeModel({});
  fake.onSend = ({ id }) =>
    queueMicrotask(() => fake.receive({ type: "bricks", id }, encodeFrame(entries)));
  const [packed, failed, raw] = await makeSource(fake).fetch("color", BRICKS, NEVER, {});
  expect(failed).toEqual(entries[1]);
  for (const result of [packed, raw]) {
    expect(result?.status === "ok" && new Uint8Array(result.data)).toEqual(voxels);
  }
});

test("an answer to what was aborted meanwhile is not looked at", async () => {
  const fake = new FakeModel({});
  const source = makeSource(fake);
  const abort = new AbortController();
  const fetched = source.fetch("color", BRICKS, abort.signal, {});
  abort.abort(new Error("moved on"));
  await expect(fetched).rejects.toThrow("moved on");
  fake.receive({ type: "bricks", id: fake.sent[0]?.id }, new ArrayBuffer(3)); // too late to be looked at
  const missing = BRICKS.map((): FrameEntry => ({ status: "missing" }));
  fake.onSend = ({ id }) => fake.receive({ type: "bricks", id }, encodeFrame(missing));
  expect(await source.fetch("color", BRICKS, NEVER, {})).toEqual(missing);
});

test("the last source that is closed ends the workers, and those who wait are told", async () => {
  let running = 0;
  vi.stubGlobal(
    "Worker",
    class extends Worker {
      constructor(url: string | URL) {
        super(url);
        running += 1;
      }
      override terminate() {
        running -= 1;
        super.terminate();
      }
    },
  );
  const fake = new FakeModel({});
  const one = makeSource(fake);
  const other = makeSource(fake);
  sources.length = 0;
  const started = running;
  expect(started).toBeGreaterThan(0);
  const fetched = other.fetch("color", BRICKS, NEVER, {});
  one.dispose();
  expect(running).toBe(started);
  other.dispose();
  expect(running).toBe(0);
  await expect(fetched).rejects.toThrow("closed");
  expect(fake.listenerCount).toBe(0);
});
