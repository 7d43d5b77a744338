import { ZSTDDecoder } from "zstddec";
import { Encoding } from "./frame.ts";
import { decodeLz4 } from "./lz4.ts";

const zstd = new ZSTDDecoder();

/** Decode a stored brick to its `size` bytes. Throws where it is damaged; never makes much more than `size`. */
export async function decodeBrick(
  payload: Uint8Array<ArrayBuffer>,
  encoding: number,
  size: number,
): Promise<ArrayBuffer> {
  const decoded = await unpack(payload, encoding, size);
  if (decoded.byteLength !== size) throw new Error(`it does not decode to ${size} bytes`);
  const isWhole = decoded.byteOffset === 0 && decoded.buffer.byteLength === size;
  return isWhole ? decoded.buffer : decoded.slice().buffer;
}

async function unpack(
  payload: Uint8Array<ArrayBuffer>,
  encoding: number,
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  switch (encoding) {
    case Encoding.RAW:
      return payload;
    case Encoding.LZ4:
      return decodeLz4(payload, size);
    case Encoding.ZSTD:
      await zstd.init();
      return zstd.decode(payload, size) as Uint8Array<ArrayBuffer>;
    case Encoding.GZIP:
      return decodeGzip(payload, size);
    default:
      throw new Error(`the encoding ${encoding} is unknown`);
  }
}

async function decodeGzip(payload: Uint8Array<ArrayBuffer>, size: number) {
  const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const decoded = new Uint8Array(size);
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > size) throw new Error(`it decodes to more than ${size} bytes`);
    decoded.set(part.value, at);
    at += part.value.length;
  }
  return decoded.subarray(0, at);
}
