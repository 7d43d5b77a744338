import { expect, test } from "vitest";
import { BrickQueue, type Clock, QUEUE_LIMITS, type QueuedBrick } from "./brickQueue.ts";
import type { BrickRequest, BrickResult, BrickSource } from "./types.ts";

class TestClock implements Clock {
  time = 0;
  private timers: { at: number; fn: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.time + ms, fn };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  async advance(ms: number): Promise<void> {
    this.time += ms;
    const due = this.timers.filter(({ at }) => at <= this.time);
    this.timers = this.timers.filter(({ at }) => at > this.time);
    for (const { fn } of due) fn();
    await turns();
  }
}

interface Call {
  layer: string;
  requests: BrickRequest[];
  signal: AbortSignal;
  additional: Record<string, number>;
  resolve(results: BrickResult[]): void;
  reject(error: Error): void;
}

class HandSource implements BrickSource {
  readonly calls: Call[] = [];

  fetch(
    layer: string,
    requests: BrickRequest[],
    signal: AbortSignal,
    additional: Record<string, number>,
  ): Promise<BrickResult[]> {
    return new Promise((resolve, reject) => {
      this.calls.push({ layer, requests, signal, additional, resolve, reject });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  call(index: number): Call {
    const call = this.calls[index];
    if (call === undefined) throw new Error(`there was no request ${index}`);
    return call;
  }
}

/** Let everything run that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
}

function brick(index: number, layer = "color", priority = index / 10): QueuedBrick {
  return { key: `${layer}/${index}`, layer, mag: [1, 1, 1], brick: [index, 0, 0], priority };
}

function bricks(count: number, layer = "color"): QueuedBrick[] {
  return Array.from({ length: count }, (_, i) => brick(i, layer));
}

function setup() {
  const source = new HandSource();
  const clock = new TestClock();
  const arrived: [string, string, boolean][] = [];
  const troubles: [string, string][] = [];
  const queue = new BrickQueue(
    source,
    {
      arrived: ({ key }, { status }, byRequest) => arrived.push([key, status, byRequest]),
      trouble: (layer, message) => troubles.push([layer, message]),
      answered: () => {},
    },
    QUEUE_LIMITS,
    clock,
  );
  return { source, clock, arrived, troubles, queue };
}

const MISSING: BrickResult = { status: "missing" };
const ok = (call: Call) => call.resolve(call.requests.map(() => MISSING));

test("a small batch first, then large ones, four at a time, the most urgent first", async () => {
  const { source, queue, arrived } = setup();
  queue.setWanted(bricks(200).reverse(), { t: 3 });
  expect(source.calls.map(({ requests }) => requests.length)).toEqual([8, 32, 32, 32]);
  expect(source.call(0).requests.map((request) => request.brick[0])).toEqual([
    0, 1, 2, 3, 4, 5, 6, 7,
  ]);
  expect(source.call(0).additional).toEqual({ t: 3 });
  expect(queue.pendingCount).toBe(200 - 104);
  ok(source.call(1));
  await turns();
  expect(source.calls.length).toBe(5);
  expect(source.call(4).requests[0]?.brick[0]).toBe(104);
  expect(arrived.length).toBe(32);
  expect(arrived[0]).toEqual(["color/8", "missing", false]);
});

test("a request is of one layer, that of the most urgent brick", () => {
  const { source, queue } = setup();
  queue.setWanted([brick(1, "seg", 1), brick(2, "color", 2), brick(3, "seg", 3)], {});
  expect(source.calls.map(({ layer, requests }) => [layer, requests.length])).toEqual([
    ["seg", 2],
    ["color", 1],
  ]);
});

test("coarse bricks are not held up by fine ones", () => {
  const { source, queue } = setup();
  queue.setWanted([brick(0, "color", 100), brick(1, "color", 3), brick(2, "color", 101)], {});
  const asked = source.calls.map(({ requests }) => requests.map((request) => request.brick[0]));
  expect(asked).toEqual([[1], [0, 2]]);
});

test("what left the view is dropped, and its requests are given up; what stays goes on", async () => {
  const { source, queue, arrived } = setup();
  queue.setWanted(bricks(200), {});
  const stays = brick(10);
  queue.setWanted([stays, brick(500)], {});
  expect(source.calls.slice(0, 4).map(({ signal }) => signal.aborted)).toEqual([
    true,
    false,
    true,
    true,
  ]);
  expect(source.calls.length).toBe(5); // for brick 500 alone: brick 10 is on its way
  expect(source.call(4).requests.map((request) => request.brick[0])).toEqual([500]);
  await turns();
  expect(arrived).toEqual([]);
  ok(source.call(1));
  await turns();
  expect(arrived.length).toBe(32); // those that nobody wants any more have come anyway
  expect(queue.inFlight).toBe(1);
});

test("a brick that is wanted again after its request was given up is asked for again", () => {
  const { source, queue } = setup();
  queue.setWanted(bricks(4), {});
  queue.setWanted([], {});
  expect(source.call(0).signal.aborted).toBe(true);
  expect(queue.isBusy).toBe(false);
  queue.setWanted(bricks(4), {});
  expect(source.calls.length).toBe(2);
});

test("a failed request is tried again, ever later, and its bricks fail in the end", async () => {
  const { source, queue, clock, arrived, troubles } = setup();
  queue.setWanted(bricks(3), {});
  for (const [index, wait] of [250, 500, 1000].entries()) {
    source.call(index).reject(new Error("no route"));
    await turns();
    expect(troubles.at(-1)).toEqual(["color", "no route"]);
    await clock.advance(wait - 1);
    expect(source.calls.length).toBe(index + 1);
    await clock.advance(1);
    expect(source.calls.length).toBe(index + 2);
  }
  expect(arrived).toEqual([]);
  source.call(3).reject(new Error("no route"));
  await turns();
  expect(arrived).toEqual([0, 1, 2].map((i) => [`color/${i}`, "failed", true]));
  expect(queue.isBusy).toBe(false);
});

test("a layer in trouble does not hold up the others, and recovers", async () => {
  const { source, queue, clock, troubles } = setup();
  queue.setWanted([brick(0, "bad", 0), brick(1, "good", 1)], {});
  source.call(0).reject(new Error("gone"));
  await turns();
  ok(source.call(1));
  queue.setWanted([brick(0, "bad", 0), brick(2, "good", 2)], {});
  expect(source.calls.map(({ layer }) => layer)).toEqual(["bad", "good", "good"]);
  await clock.advance(250);
  expect(source.call(3).layer).toBe("bad");
  ok(source.call(3));
  await turns();
  expect(troubles).toEqual([
    ["bad", "gone"],
    ["bad", ""],
  ]);
});

test("an answer that is too short fails the bricks that it leaves out", async () => {
  const { source, queue, arrived } = setup();
  queue.setWanted(bricks(2), {});
  source.call(0).resolve([MISSING]);
  await turns();
  expect(arrived).toEqual([
    ["color/0", "missing", false],
    ["color/1", "failed", false],
  ]);
});

test("closing gives everything up and stays quiet", async () => {
  const { source, queue, clock, arrived, troubles } = setup();
  queue.setWanted([...bricks(20), brick(0, "bad", -0.5)], {});
  source.call(0).reject(new Error("gone"));
  await turns();
  queue.close();
  expect(source.calls.every(({ signal, layer }) => signal.aborted || layer === "bad")).toBe(true);
  queue.setWanted(bricks(3), {});
  await clock.advance(60_000);
  expect(source.calls.length).toBe(2);
  expect(arrived).toEqual([]);
  expect(troubles.length).toBe(1);
});
