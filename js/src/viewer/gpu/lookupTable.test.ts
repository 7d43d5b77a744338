import { expect, test } from "vitest";
import { map3, type Vec3 } from "../../core/vec3.ts";
import { type Entry, LookupTable, STATUS } from "./lookupTable.ts";

function grid(side: number, from: Vec3, level: number): Entry[] {
  const entries: Entry[] = [];
  for (let i = 0; i < side ** 3; i += 1) {
    const brick = map3((a) => from[a] + (Math.floor(i / side ** a) % side));
    entries.push({ level, brick, status: STATUS.ok, slot: i });
  }
  return entries;
}

test("finds what was set, also far out, at negative places and at other levels", () => {
  const table = new LookupTable();
  const all = [
    ...grid(8, [0, 0, 0], 0),
    ...grid(8, [31_000, 2_000_000, 7], 0),
    ...grid(8, [-4, -4, -4], 5),
    ...grid(8, [0, 0, 0], 3),
  ];
  const expected = new Map(all.map((entry) => [`${entry.level}/${entry.brick}`, entry]));
  for (const entry of all) table.set(entry);
  expect(table.entries).toBe(expected.size);
  for (const { level, brick, slot } of expected.values()) {
    expect(table.get(level, brick)).toEqual({ status: STATUS.ok, slot });
  }
  expect(table.get(1, [0, 0, 0])).toBeNull();
  expect(table.get(0, [8, 0, 0])).toBeNull();
});

test("an entry is replaced, deleted and does not come back", () => {
  const table = new LookupTable(16);
  const brick: Vec3 = [1, 2, 3];
  table.set({ level: 2, brick, status: STATUS.missing, slot: 0 });
  const before = table.version;
  table.set({ level: 2, brick, status: STATUS.ok, slot: 17 });
  expect(table.get(2, brick)).toEqual({ status: STATUS.ok, slot: 17 });
  expect(table.entries).toBe(1);
  expect(table.version).toBeGreaterThan(before);
  table.delete(2, brick);
  expect(table.get(2, brick)).toBeNull();
  expect(table.entries).toBe(0);
});

test("stays at most half full while bricks come and go, and loses none", () => {
  const table = new LookupTable(16);
  const alive: Entry[] = [];
  for (const entry of grid(14, [100, 200, 300], 1)) {
    table.set(entry);
    alive.push(entry);
    if (alive.length > 700) {
      const oldest = alive.shift() as Entry;
      table.delete(oldest.level, oldest.brick);
    }
  }
  expect(table.entries).toBe(700);
  expect(table.size).toBeGreaterThanOrEqual(1400);
  expect(table.size).toBeLessThanOrEqual(4096);
  for (const entry of alive) expect(table.get(1, entry.brick)?.slot).toBe(entry.slot);
});
