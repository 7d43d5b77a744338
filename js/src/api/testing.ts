import type { FrameEntry } from "./frame.ts";
import { Encoding } from "./frame.ts";

const STATUS = { ok: 0, missing: 1, failed: 2 } as const;

/** A frame as the server makes it, for tests. */
export function encodeFrame(entries: readonly FrameEntry[]): ArrayBuffer {
  const payloads = entries.map((entry) => {
    if (entry.status === "ok") return entry.payload;
    const text = entry.status === "failed" ? JSON.stringify({ error: entry.error, hint: "" }) : "";
    return new TextEncoder().encode(text);
  });
  const size = payloads.reduce((sum, payload) => sum + payload.length, 8 + 8 * entries.length);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("WKB1"));
  view.setUint32(4, entries.length, true);
  let at = 8 + 8 * entries.length;
  entries.forEach((entry, i) => {
    const payload = payloads[i] as Uint8Array;
    view.setUint8(8 + 8 * i, STATUS[entry.status]);
    view.setUint8(9 + 8 * i, entry.status === "ok" ? entry.encoding : Encoding.RAW);
    view.setUint32(12 + 8 * i, payload.length, true);
    bytes.set(payload, at);
    at += payload.length;
  });
  return bytes.buffer;
}

export function rawBrick(data: ArrayBuffer): FrameEntry {
  return { status: "ok", encoding: Encoding.RAW, payload: new Uint8Array(data) };
}
