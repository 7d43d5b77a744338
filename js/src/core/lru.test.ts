import { expect, test } from "vitest";
import { Lru } from "./lru.ts";

test("what was not used for longest goes first", () => {
  const gone: string[] = [];
  const lru = new Lru<string, number>(
    3,
    () => false,
    (key) => gone.push(key),
  );
  lru.set("a", 1, 1);
  lru.set("b", 2, 1);
  lru.set("c", 3, 1);
  lru.get("a");
  lru.set("d", 4, 1);
  expect(gone).toEqual(["b"]);
  expect(lru.get("a")).toBe(1);
  expect(lru.get("b")).toBeUndefined();
});

test("a heavy entry pushes out several, a replaced one is weighed once", () => {
  const lru = new Lru<string, string>(10);
  lru.set("a", "a", 4);
  lru.set("b", "b", 4);
  lru.set("b", "B", 2);
  expect(lru.weight).toBe(6);
  lru.set("c", "c", 9);
  expect([lru.size, lru.weight, lru.peek("c")]).toEqual([1, 9, "c"]);
});

test("kept entries stay, even over the capacity", () => {
  const kept = new Set(["a", "b"]);
  const lru = new Lru<string, number>(2, (key) => kept.has(key));
  lru.set("a", 1, 1);
  lru.set("b", 2, 1);
  lru.set("c", 3, 1);
  expect(lru.peek("a")).toBe(1);
  expect(lru.peek("c")).toBeUndefined();
  expect(lru.weight).toBe(2);
});
