import { expect, test } from "vitest";
import { Gate, untilAborted } from "./gate.ts";

function makeTasks(gate: Gate) {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, signal: AbortSignal = new AbortController().signal) =>
    gate.run(signal, () => {
      started.push(name);
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
    });
  return { started, run, end: (name: string) => ends.get(name)?.() };
}

test("a few run at a time, the others in their order, also when they were asked for at once", async () => {
  const { started, run, end } = makeTasks(new Gate(2));
  const all = ["a", "b", "c", "d"].map((name) => run(name));
  expect(started).toEqual(["a", "b"]);
  end("b");
  await all[1];
  await Promise.resolve();
  expect(started).toEqual(["a", "b", "c"]);
  end("a");
  end("c");
  await Promise.all([all[0], all[2]]);
  end("d");
  expect(await Promise.all(all)).toEqual(["a", "b", "c", "d"]);
});

test("who is aborted leaves the line; a task that fails makes room", async () => {
  const gate = new Gate(1);
  const { started, run, end } = makeTasks(gate);
  const abort = new AbortController();
  const first = run("first");
  const second = run("second", abort.signal);
  const third = gate.run(new AbortController().signal, () => Promise.reject(new Error("it broke")));
  const fourth = run("fourth");
  abort.abort(new Error("gone"));
  await expect(second).rejects.toThrow("gone");
  await expect(run("late", abort.signal)).rejects.toThrow("gone");
  end("first");
  await first;
  await expect(third).rejects.toThrow("it broke");
  await expect.poll(() => started).toEqual(["first", "fourth"]);
  end("fourth");
  expect(await fourth).toBe("fourth");
});

test("waiting ends with the signal", async () => {
  const abort = new AbortController();
  const never = untilAborted(abort.signal, new Promise<void>(() => {}));
  expect(await untilAborted(abort.signal, Promise.resolve(5))).toBe(5);
  await expect(untilAborted(abort.signal, Promise.reject(new Error("no")))).rejects.toThrow("no");
  abort.abort(new Error("gone"));
  await expect(never).rejects.toThrow("gone");
  await expect(untilAborted(abort.signal, Promise.resolve(5))).rejects.toThrow("gone");
});
