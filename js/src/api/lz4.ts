/**
 * Decode an LZ4 block of known size. Throws where the bytes do not decode to just that size.
 * Format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */
export function decodeLz4(source: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(size);
  const end = source.length;
  let from = 0;
  let to = 0;
  while (from < end) {
    const token = source[from++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && from < end) literals += more = source[from++] as number;
    }
    if (from + literals > end || to + literals > size) throw new Error("damaged LZ4 block");
    target.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === end && to === size) return target; // the last sequence has literals alone
    if (from + 2 > end) break;
    const distance = (source[from] as number) | ((source[from + 1] as number) << 8);
    from += 2;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255 && from < end) length += more = source[from++] as number;
    }
    length += 4;
    if (distance === 0 || distance > to || to + length > size) throw new Error("damaged LZ4 block");
    if (distance >= length) {
      target.copyWithin(to, to - distance, to - distance + length);
      to += length;
    } else {
      // The copy overlaps itself: that is how runs are written.
      for (const stop = to + length; to < stop; to += 1)
        target[to] = target[to - distance] as number;
    }
  }
  throw new Error("damaged LZ4 block");
}
