/** The brick frame; wk_jupyter/api/frames.py describes it. */
export const Encoding = { RAW: 0, LZ4: 1, ZSTD: 2, GZIP: 3 } as const;

export type FrameEntry =
  | { status: "ok"; encoding: number; payload: Uint8Array<ArrayBuffer> }
  | { status: "missing" }
  | { status: "failed"; error: string };

const MAGIC = 0x31424b57; // "WKB1"
const MAX_BRICKS = 256;
const HEAD = 8;
const ENTRY = 8;

const RELOAD =
  "Ask again; if that does not help, something between server and page changes the answers.";

/** Take the frame of `count` bricks apart. Throws where it is not one, also when a length is off by a byte. */
export function decodeFrame(buffer: ArrayBuffer, count: number): FrameEntry[] {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEAD || view.getUint32(0, true) !== MAGIC) {
    throw new Error(`The answer is not a frame of bricks. ${RELOAD}`);
  }
  const told = view.getUint32(4, true);
  if (told !== count || told > MAX_BRICKS) {
    throw new Error(`The answer holds ${told} bricks instead of ${count}. ${RELOAD}`);
  }
  const entries: FrameEntry[] = [];
  let at = HEAD + count * ENTRY;
  for (let i = 0; i < count; i += 1) {
    const head = HEAD + i * ENTRY;
    const length = head + ENTRY > buffer.byteLength ? Infinity : view.getUint32(head + 4, true);
    if (at + length > buffer.byteLength)
      throw new Error(`The answer was cut on its way. ${RELOAD}`);
    const payload = new Uint8Array(buffer, at, length);
    at += length;
    entries.push(entryOf(view.getUint32(head, true), payload));
  }
  if (at !== buffer.byteLength) throw new Error(`The answer is longer than it says. ${RELOAD}`);
  return entries;
}

/** `code` is an entry's status in its lowest byte, the encoding in the next, and two bytes of zero. */
function entryOf(code: number, payload: Uint8Array<ArrayBuffer>): FrameEntry {
  const encoding = code >>> 8;
  if ((code & 255) === 0 && encoding <= Encoding.GZIP) return { status: "ok", encoding, payload };
  if (code === 1 && payload.length === 0) return { status: "missing" };
  if (code === 2) return { status: "failed", error: reasonIn(payload) };
  throw new Error(`The answer has an entry that is unknown here. ${RELOAD}`);
}

function reasonIn(payload: Uint8Array): string {
  try {
    const said = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown> | null;
    if (typeof said?.error === "string") {
      return typeof said.hint === "string" && said.hint !== ""
        ? `${said.error} ${said.hint}`
        : said.error;
    }
  } catch {
    // what the server wrote is no JSON
  }
  return "The server could not read a brick and gave no reason.";
}
