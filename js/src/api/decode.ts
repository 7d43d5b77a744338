import { ZSTDDecoder } from "zstddec";
import { Encoding } from "./frame.ts";
import { decodeLz4 } from "./lz4.ts";

const zstd = new ZSTDDecoder();
let zstdReady: Promise<void> | null = null;

/** Decode a stored brick to its `size` bytes. Throws where it is damaged. */
export async function decodeBrick(
  payload: Uint8Array<ArrayBuffer>,
  encoding: number,
  size: number,
): Promise<ArrayBuffer> {
  const decoded = await decoders(payload, encoding, size);
  if (decoded.byteLength !== size) {
    throw new Error(`a brick has ${decoded.byteLength} bytes instead of ${size}`);
  }
  const isWhole = decoded.byteOffset === 0 && decoded.buffer.byteLength === size;
  return isWhole ? (decoded.buffer as ArrayBuffer) : decoded.slice().buffer;
}

async function decoders(
  payload: Uint8Array<ArrayBuffer>,
  encoding: number,
  size: number,
): Promise<Uint8Array> {
  switch (encoding) {
    case Encoding.RAW:
      return payload;
    case Encoding.LZ4:
      return decodeLz4(payload, size);
    case Encoding.ZSTD:
      zstdReady ??= zstd.init();
      await zstdReady;
      return zstd.decode(payload, size);
    default: {
      const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("gzip"));
      return new Uint8Array(await new Response(stream).arrayBuffer());
    }
  }
}
