/** Blocks that Python's lz4, zstandard and gzip packed, for tests. */

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** 200 bytes in which nothing repeats. */
export const NOISE = Uint8Array.from({ length: 200 }, (_, i) => Math.imul(i, 2654435761) >>> 24);

/** Noise, a long run, the noise again, a short pattern, noise: 4297 bytes. */
export const MIXED = Uint8Array.from([
  ...NOISE.subarray(0, 100),
  ...new Uint8Array(3000),
  ...NOISE.subarray(0, 100),
  ...Array.from({ length: 997 }, (_, i) => i % 7),
  ...NOISE.subarray(100),
]);

/** 1024 ids of 64 bits, each 64 times. */
export const IDS = new Uint8Array(
  BigUint64Array.from({ length: 1024 }, (_, i) => 2n ** 60n + BigInt(3 * (i >> 6))).buffer,
);

const NOISE_LZ4 =
  "8LkAnjzaeBe1U/GPLsxqCKdF44Efvlz6mDbVcxGvTuyKKMZlA6E/3nwauFb1kzHPbQyqSOaFI8Ff/Zw62HYVs1HvjSzKaAakQ+F/" +
  "Hbxa+JY003EPrUvqiCbEYwGfPdt6GLZU85EvzWsKqEbkgiG/XfuaONZ0ErFP7YsqyGYEokHffRu5WPaUMtFvDatJ6IYkwmD/nTvZ" +
  "eBa0UvCPLctpCKZE4oAfvVv5lzbUchCvTeuJJ8ZkAqA/3XsZt1b0kjDObQupR+aEIsBe/Q==";
const MIXED_LZ4 =
  "/1cAnjzaeBe1U/GPLsxqCKdF44Efvlz6mDbVcxGvTuyKKMZlA6E/3nwauFb1kzHPbQyqSOaFI8Ff/Zw62HYVs1HvjSzKaAakQ+F/" +
  "Hbxa+JY003EPrUvqiCbEYwGfPdt6GLZU85EvAAACAP//////////////rw8cDFFvAQIDBAUGBwD////O8FXNawqoRuSCIb9d+5o4" +
  "1nQSsU/tiyrIZgSiQd99G7lY9pQy0W8Nq0nohiTCYP+dO9l4FrRS8I8ty2kIpkTigB+9W/mXNtRyEK9N64knxmQCoD/dexm3VvSS" +
  "MM5tC6lH5oQiwF79";
const IDS_LZ4 =
  "EgABABIQBwAPCAD/4BID+QEPCAD/5xMGAAIPCAD/5hMJAAIPCAD/5hMMAAIPCAD/5hMPAAIPCAD/5hMSAAIPCAD/5hMVAAIPCAD/" +
  "5hMYAAIPCAD/5hMbAAIPCAD/5hMeAAIPCAD/5hMhAAIPCAD/5hMkAAIPCAD/5hMnAAIPCAD/5hMqAAIPCAD/5hMtAAIPCAD/4VAA" +
  "AAAAEA==";
const IDS_LZ4HC =
  "EgABAB8QCAD/5h8DCAD/7R8GCAD/7R8JCAD/7R8MCAD/7R8PCAD/7R8SCAD/7R8VCAD/7R8YCAD/7R8bCAD/7R8eCAD/7R8hCAD/" +
  "7R8kCAD/7R8nCAD/7R8qCAD/7R8tCAD/6FAAAAAAEA==";
const ZEROS_LZ4 =
  "HwABAP//////////////////////////////////////////////////////////////////////////////////////////////" +
  "////////////////////////////////////////////////////////////////////////////Z1AAAAAAAA==";

/** LZ4 blocks, and what is in them. */
export const LZ4_BLOCKS: [name: string, block: Uint8Array<ArrayBuffer>, data: Uint8Array][] = [
  ["literals alone", fromBase64(NOISE_LZ4), NOISE],
  ["matches near and far, long lengths", fromBase64(MIXED_LZ4), MIXED],
  ["ids", fromBase64(IDS_LZ4), IDS],
  ["ids, packed with more effort", fromBase64(IDS_LZ4HC), IDS],
  ["a run", fromBase64(ZEROS_LZ4), new Uint8Array(32768)],
];

const ZSTD =
  "KLUv/WDJD/0GAPQMAJ482ngXtVPxjy7MaginReOBH75c+pg21XMRr07siijGZQOhP958GrhW9ZMxz20MqkjmhSPBX/2cOth2FbNR" +
  "740symgGpEPhfx28WviWNNNxD61L6ogmxGMBnz3behi2VPORLwABAgMEBQbNawqoRuSCIb9d+5o41nQSsU/tiyrIZgSiQd99G7lY" +
  "9pQy0W8Nq0nohiTCYP+dO9l4FrRS8I8ty2kIpkTigB+9W/mXNtRyEK9N64knxmQCoD/dexm3VvSSMM5tC6lH5oQiwF79AwDbVaoK" +
  "H4QplLXzgRk=";
const ZSTD_UNSIZED =
  "KLUv/QAY/QYA9AwAnjzaeBe1U/GPLsxqCKdF44Efvlz6mDbVcxGvTuyKKMZlA6E/3nwauFb1kzHPbQyqSOaFI8Ff/Zw62HYVs1Hv" +
  "jSzKaAakQ+F/Hbxa+JY003EPrUvqiCbEYwGfPdt6GLZU85EvAAECAwQFBs1rCqhG5IIhv137mjjWdBKxT+2LKshmBKJB330buVj2" +
  "lDLRbw2rSeiGJMJg/5072XgWtFLwjy3LaQimROKAH71b+Zc21HIQr03riSfGZAKgP917GbdW9JIwzm0LqUfmhCLAXv0DANtVqgof" +
  "hCmUtfOBGQ==";
const ZSTD_CHECKED =
  "KLUv/WTJD/0GAPQMAJ482ngXtVPxjy7MaginReOBH75c+pg21XMRr07siijGZQOhP958GrhW9ZMxz20MqkjmhSPBX/2cOth2FbNR" +
  "740symgGpEPhfx28WviWNNNxD61L6ogmxGMBnz3behi2VPORLwABAgMEBQbNawqoRuSCIb9d+5o41nQSsU/tiyrIZgSiQd99G7lY" +
  "9pQy0W8Nq0nohiTCYP+dO9l4FrRS8I8ty2kIpkTigB+9W/mXNtRyEK9N64knxmQCoD/dexm3VvSSMM5tC6lH5oQiwF79AwDbVaoK" +
  "H4QplLXzgRlgXuZn";
const GZIP =
  "H4sIAAAAAAACA2OYZ3OrQnxr8Md+vTNZHMtdHzfK74v5NcPsarHger83XRrHUpkX2t+rkdoR9nWy4flcnlUez1qVD8b/nWN1o0x0" +
  "c+D7Xp1TGWxLnB/Wy+6J+jHN5HIh/1rvVx1qR5IZ59verpLYFvJ5oj7DKBgFo2AUjIJRMApGwSgYBaNg8AN69A0YmZhZWNlGqVFq" +
  "lBqu1NlsrhVuT5oU98f+nmVxrURoo//bbq0TaSyLHO/XSu+M+DbF6GI+72rPF20qhxL+z7W+WSG2JehDv+7pTI5lLo8a5PdG/5xu" +
  "dqVIYL3v6071YylMC+zvVktuD/syyeBcLvdK92ctSgfi/gIAxcTaK8kQAAA=";

/** `MIXED` as zstd, as zstd that does not tell its size, as zstd with a checksum, and as gzip. */
export const MIXED_ZSTD = fromBase64(ZSTD);
export const MIXED_ZSTD_UNSIZED = fromBase64(ZSTD_UNSIZED);
export const MIXED_ZSTD_CHECKED = fromBase64(ZSTD_CHECKED);
export const MIXED_GZIP = fromBase64(GZIP);
