import type { BrickRequest, BrickResult } from "../viewer/types.ts";
import type { DecoderPool } from "./decoderPool.ts";
import { decodeFrame, Encoding, type FrameEntry } from "./frame.ts";

/** The body of a request for bricks. */
export interface BrickQuery {
  mags: (readonly [number, number, number])[];
  bricks: [number, number, number, number][];
  accept: string[];
  additionalCoordinates: { name: string; value: number }[];
}

export function brickQuery(
  requests: readonly BrickRequest[],
  additional: Record<string, number>,
  accept: string[],
): BrickQuery {
  const mags: BrickQuery["mags"] = [];
  const bricks = requests.map(({ mag, brick }): [number, number, number, number] => {
    let index = mags.findIndex((known) => known.every((n, a) => n === mag[a]));
    if (index === -1) index = mags.push(mag) - 1;
    return [index, ...brick];
  });
  const additionalCoordinates = Object.entries(additional).map(([name, value]) => ({
    name,
    value,
  }));
  return { mags, bricks, accept, additionalCoordinates };
}

/** Turn a frame into voxels: packed bricks are unpacked by the workers. */
export async function unpackFrame(
  buffer: ArrayBuffer,
  size: number,
  pool: DecoderPool,
): Promise<BrickResult[]> {
  const entries = decodeFrame(buffer);
  const packed = entries.flatMap((entry) =>
    entry.status === "ok" && entry.encoding !== Encoding.RAW ? [entry] : [],
  );
  const decoded = (await pool.decode(packed, size)).values();
  return entries.map((entry) => resultOf(entry, size, decoded));
}

function resultOf(
  entry: FrameEntry,
  size: number,
  decoded: IterableIterator<ArrayBuffer | string>,
): BrickResult {
  if (entry.status !== "ok") return entry;
  if (entry.encoding === Encoding.RAW) {
    if (entry.payload.byteLength !== size) {
      return { status: "failed", error: "a brick has the wrong size" };
    }
    return { status: "ok", data: entry.payload.slice().buffer };
  }
  const data = decoded.next().value;
  return typeof data === "string" ? { status: "failed", error: data } : { status: "ok", data };
}
