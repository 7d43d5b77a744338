import { afterEach, expect, test, vi } from "vitest";
import { DecoderPool } from "./decoderPool.ts";
import { Encoding } from "./frame.ts";
import { LZ4_BLOCKS, MIXED, MIXED_GZIP, MIXED_ZSTD } from "./samples.ts";

const MIXED_LZ4 = LZ4_BLOCKS.find(([, , data]) => data === MIXED)?.[1] as Uint8Array<ArrayBuffer>;
const GOOD = [
  { encoding: Encoding.LZ4, payload: MIXED_LZ4 },
  { encoding: Encoding.ZSTD, payload: MIXED_ZSTD },
  { encoding: Encoding.GZIP, payload: MIXED_GZIP },
];

const pools: DecoderPool[] = [];

function acquire(): DecoderPool {
  const pool = DecoderPool.acquire();
  pools.push(pool);
  return pool;
}

function release(): void {
  pools.pop()?.release();
}

/** Counts the page's workers; `script` replaces what they run. */
function watchWorkers(script?: string) {
  const count = { started: 0, running: 0 };
  class Watched extends Worker {
    constructor(url: string | URL) {
      super(script ?? url);
      count.started += 1;
      count.running += 1;
    }
    override terminate() {
      count.running -= 1;
      super.terminate();
    }
  }
  vi.stubGlobal("Worker", Watched);
  return count;
}

/** Bricks in one buffer, as they lie in a frame. */
function frameOf(bricks: readonly { encoding: number; payload: Uint8Array }[]) {
  const frame = new Uint8Array(bricks.reduce((sum, { payload }) => sum + payload.length, 0));
  let at = 0;
  const packed = bricks.map(({ encoding, payload }) => {
    frame.set(payload, at);
    at += payload.length;
    return { encoding, payload: frame.subarray(at - payload.length, at) };
  });
  return { buffer: frame.buffer, packed };
}

afterEach(() => {
  while (pools.length > 0) release();
  vi.unstubAllGlobals();
});

test("many bricks are decoded at once, each in its place", async () => {
  const pool = acquire();
  const all = Array.from({ length: 6 }, (_, i) => {
    const bricks = Array.from({ length: 20 }, (_, k) => GOOD[(i + k) % 3] as (typeof GOOD)[0]);
    return pool.decode(frameOf(bricks).packed, MIXED.length);
  });
  for (const decoded of await Promise.all(all)) {
    expect(decoded).toHaveLength(20);
    for (const brick of decoded) expect(new Uint8Array(brick as ArrayBuffer)).toEqual(MIXED);
  }
});

test("a damaged brick says so, the others of its request are well", async () => {
  const pool = acquire();
  const damaged = [
    { encoding: Encoding.LZ4, payload: MIXED_LZ4.slice(0, 50) },
    { encoding: Encoding.ZSTD, payload: MIXED_GZIP },
    { encoding: Encoding.GZIP, payload: MIXED_ZSTD },
  ];
  const mixed = damaged.flatMap((bad, i) => [bad, GOOD[i] as (typeof GOOD)[0]]);
  const decoded = await pool.decode(frameOf(mixed).packed, MIXED.length);
  for (const [i, brick] of decoded.entries()) {
    if (i % 2 === 0) expect(brick).toMatch(/^A stored brick is damaged: .+\.$/);
    else expect(new Uint8Array(brick as ArrayBuffer)).toEqual(MIXED);
  }
});

test("the frame is handed over, not copied", async () => {
  const { buffer, packed } = frameOf(GOOD);
  const decoding = acquire().decode(packed, MIXED.length);
  expect(buffer.byteLength).toBe(0);
  expect(await decoding).toHaveLength(3);
});

test("all viewers share the workers; the last one who leaves ends them", async () => {
  const count = watchWorkers();
  const pool = acquire();
  expect(acquire()).toBe(pool);
  expect(count.started).toBeGreaterThan(0);
  expect(count.started).toBeLessThanOrEqual(4);
  const { started } = count;
  release();
  expect(count).toEqual({ started, running: started });
  const decoding = pool.decode(frameOf(GOOD).packed, MIXED.length);
  release();
  expect(count).toEqual({ started, running: 0 });
  await expect(decoding).rejects.toThrow("the viewer was closed");
  await expect(pool.decode(frameOf(GOOD).packed, 9)).rejects.toThrow("starts no workers");
  const later = acquire();
  expect(later).not.toBe(pool);
  expect(await later.decode(frameOf(GOOD).packed, MIXED.length)).toHaveLength(3);
  expect(await later.decode([], 9)).toEqual([]);
});

test("a page that forbids workers is told from one that has them", async () => {
  vi.stubGlobal("Worker", function forbid() {
    throw new DOMException("no workers here", "SecurityError");
  });
  const pool = acquire();
  expect(pool.isUsable).toBe(false);
  await expect(pool.decode(frameOf(GOOD).packed, 9)).rejects.toThrow("starts no workers");
});

test.each([
  ["that do not start", () => URL.createObjectURL(new Blob([])), "the page lets no worker start"],
  ["that break", () => URL.createObjectURL(new Blob(["throw new Error('it broke')"])), "it broke"],
])("workers %s leave nobody waiting", async (what, makeUrl, reason) => {
  const url = makeUrl();
  if (what === "that do not start") URL.revokeObjectURL(url);
  const count = watchWorkers(url);
  const pool = acquire();
  expect(pool.isUsable).toBe(true);
  await expect(pool.decode(frameOf(GOOD).packed, MIXED.length)).rejects.toThrow(reason);
  expect(pool.isUsable).toBe(false);
  expect(count.running).toBe(0);
});
