/** The brick frame; wk_jupyter/api/frames.py describes it. */
export const Encoding = { RAW: 0, LZ4: 1, ZSTD: 2, GZIP: 3 } as const;

export type FrameEntry =
  | { status: "ok"; encoding: number; payload: Uint8Array<ArrayBuffer> }
  | { status: "missing" }
  | { status: "failed"; error: string };

const MAGIC = 0x31424b57; // "WKB1"
const HEAD = 8;
const ENTRY = 8;

/** Take a frame apart. Throws where it is not one, also when a length is off by a byte. */
export function decodeFrame(buffer: ArrayBuffer): FrameEntry[] {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEAD || view.getUint32(0, true) !== MAGIC) {
    throw new Error("the server's answer is not a frame of bricks");
  }
  const count = view.getUint32(4, true);
  let at = HEAD + count * ENTRY;
  if (buffer.byteLength < at) throw new Error("the frame of bricks was cut on its way");
  const entries: FrameEntry[] = [];
  for (let i = 0; i < count; i += 1) {
    const head = HEAD + i * ENTRY;
    const length = view.getUint32(head + 4, true);
    if (at + length > buffer.byteLength) throw new Error("the frame of bricks was cut on its way");
    const payload = new Uint8Array(buffer, at, length);
    at += length;
    entries.push(entryOf(view.getUint8(head), view.getUint8(head + 1), payload));
  }
  if (at !== buffer.byteLength) throw new Error("the frame of bricks is longer than it says");
  return entries;
}

function entryOf(status: number, encoding: number, payload: Uint8Array<ArrayBuffer>): FrameEntry {
  if (status === 1) return { status: "missing" };
  if (status === 0 && encoding <= Encoding.GZIP) return { status: "ok", encoding, payload };
  if (status !== 2) throw new Error(`a brick has the unknown status ${status}`);
  const { error, hint } = JSON.parse(new TextDecoder().decode(payload)) as {
    error: string;
    hint?: string;
  };
  return { status: "failed", error: hint ? `${error} ${hint}` : error };
}
