import type { BrickRequest, BrickResult } from "../viewer/types.ts";
import type { DecoderPool, PackedBrick } from "./decoderPool.ts";
import { decodeFrame, Encoding, type FrameEntry } from "./frame.ts";

/** The body of a request for bricks. */
export interface BrickQuery {
  mags: (readonly [number, number, number])[];
  bricks: [number, number, number, number][];
  additionalCoordinates: { name: string; value: number }[];
}

export function brickQuery(
  requests: readonly BrickRequest[],
  additional: Record<string, number>,
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
  return { mags, bricks, additionalCoordinates };
}

/** Turn the frame of `count` bricks of `size` bytes into voxels; workers unpack those that are packed. */
export async function unpackFrame(
  buffer: ArrayBuffer,
  { count, size }: { count: number; size: number },
  pool: Pick<DecoderPool, "decode">,
): Promise<BrickResult[]> {
  const packed: PackedBrick[] = [];
  const results = decodeFrame(buffer, count).map((entry) => {
    if (entry.status !== "ok") return entry;
    if (entry.encoding === Encoding.RAW) return rawResult(entry, size);
    packed.push(entry);
    return null;
  });
  // From here on the frame belongs to a worker.
  const unpacked = (await pool.decode(packed, size)).values();
  return results.map((result) => result ?? unpackedResult(unpacked.next().value));
}

function rawResult({ payload }: FrameEntry & { status: "ok" }, size: number): BrickResult {
  if (payload.byteLength === size) return { status: "ok", data: payload.slice().buffer };
  return {
    status: "failed",
    error: `A brick of ${size} bytes was expected, ${payload.byteLength} came.`,
  };
}

function unpackedResult(data: ArrayBuffer | string | undefined): BrickResult {
  if (data instanceof ArrayBuffer) return { status: "ok", data };
  return { status: "failed", error: data ?? "A brick was not unpacked." };
}
