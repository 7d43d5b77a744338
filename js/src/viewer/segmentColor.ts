/** Colour of a segment, 0 to 1, from its 64-bit id alone; the shader calculates the same. */
export function segmentColor(id: bigint): [number, number, number] {
  const unsigned = BigInt.asUintN(64, id);
  const low = Number(unsigned & 0xffffffffn) | 0;
  const high = Number(unsigned >> 32n) | 0;
  let h = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77);
  h ^= h >>> 16;
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  h = (h ^ (h >>> 16)) >>> 0;
  return hsv(
    (h & 0xffff) / 65536,
    0.55 + (0.45 * ((h >>> 16) & 0xff)) / 255,
    0.75 + (0.25 * (h >>> 24)) / 255,
  );
}

function hsv(hue: number, saturation: number, value: number): [number, number, number] {
  const channel = (offset: number): number => {
    const k = (offset + hue * 6) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}
