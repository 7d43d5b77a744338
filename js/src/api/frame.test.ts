import { expect, test } from "vitest";
import { decodeFrame, Encoding, type FrameEntry } from "./frame.ts";
import { encodeFrame } from "./testing.ts";

const ENTRIES: FrameEntry[] = [
  { status: "ok", encoding: Encoding.LZ4, payload: new Uint8Array([1, 2, 3]) },
  { status: "missing" },
  { status: "failed", error: "x1.wkw is damaged." },
  { status: "ok", encoding: Encoding.RAW, payload: new Uint8Array([4]) },
];

/** The frame with one byte changed. */
function changed(at: number, value: number): ArrayBuffer {
  const bytes = new Uint8Array(encodeFrame(ENTRIES));
  bytes[at] = value;
  return bytes.buffer;
}

test("a frame comes apart into what was put in", () => {
  expect(decodeFrame(encodeFrame(ENTRIES), 4)).toEqual(ENTRIES);
  expect(decodeFrame(encodeFrame([]), 0)).toEqual([]);
});

test("the bytes are those that the server's side describes", () => {
  const frame = Uint8Array.from([
    ...[0x57, 0x4b, 0x42, 0x31, 3, 0, 0, 0], // "WKB1", three entries
    ...[0, 2, 0, 0, 2, 0, 0, 0], // ok, zstd, two bytes
    ...[1, 0, 0, 0, 0, 0, 0, 0], // missing
    ...[0, 0, 0, 0, 3, 0, 0, 0], // ok, raw, three bytes
    ...[10, 11, 20, 21, 22],
  ]);
  const entries = decodeFrame(frame.buffer, 3);
  expect(entries).toEqual([
    { status: "ok", encoding: Encoding.ZSTD, payload: Uint8Array.from([10, 11]) },
    { status: "missing" },
    { status: "ok", encoding: Encoding.RAW, payload: Uint8Array.from([20, 21, 22]) },
  ]);
  const views = entries.flatMap((entry) => (entry.status === "ok" ? [entry.payload.buffer] : []));
  expect(views.every((buffer) => buffer === frame.buffer)).toBe(true); // no copies
});

test("256 bricks are the most", () => {
  const missing = (count: number) => Array<FrameEntry>(count).fill({ status: "missing" });
  expect(decodeFrame(encodeFrame(missing(256)), 256)).toHaveLength(256);
  expect(() => decodeFrame(encodeFrame(missing(257)), 257)).toThrow("257 bricks");
});

test("a frame that is cut anywhere is refused", () => {
  const frame = encodeFrame(ENTRIES);
  for (let end = 0; end < frame.byteLength; end += 1) {
    expect(() => decodeFrame(frame.slice(0, end), 4)).toThrow(end < 8 ? "not a frame" : "cut");
  }
});

test.each([
  ["nothing", new ArrayBuffer(0), "not a frame"],
  ["another beginning", changed(0, 0), "not a frame"],
  ["other bricks than were asked for", encodeFrame(ENTRIES.slice(1)), "3 bricks instead of 4"],
  ["a cut table", encodeFrame(ENTRIES).slice(0, 20), "cut"],
  ["a cut payload", encodeFrame(ENTRIES).slice(0, -1), "cut"],
  [
    "a byte too much",
    new Uint8Array([...new Uint8Array(encodeFrame(ENTRIES)), 0]).buffer,
    "longer",
  ],
  ["a length beyond the end", changed(15, 255), "cut"],
  ["an unknown status", changed(8, 3), "unknown"],
  ["an unknown encoding", changed(9, 4), "unknown"],
  ["something in the reserved bytes", changed(10, 1), "unknown"],
  ["a missing brick with an encoding", changed(17, 1), "unknown"],
  ["a missing brick with bytes", changed(8, 1), "unknown"],
])("%s is refused", (_what, frame, message) => {
  expect(() => decodeFrame(frame, 4)).toThrow(message);
});

test("a failed brick says why, with the hint, whatever the server wrote", () => {
  const reason = (text: string) => {
    const frame = new Uint8Array(16 + text.length);
    frame.set(new Uint8Array(encodeFrame([{ status: "missing" }])));
    frame[8] = 2;
    frame[12] = text.length;
    frame.set(new TextEncoder().encode(text), 16);
    return decodeFrame(frame.buffer, 1);
  };
  expect(reason('{"error":"It broke.","hint":"Mend it."}')).toEqual([
    { status: "failed", error: "It broke. Mend it." },
  ]);
  for (const text of ["", "{", "null", "[]", '{"error":5}']) {
    expect(reason(text)).toEqual([
      { status: "failed", error: expect.stringContaining("no reason") },
    ]);
  }
});
