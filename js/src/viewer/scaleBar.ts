const STEPS = [1, 2, 5];
const UNITS: readonly [string, number][] = [
  ["m", 1e9],
  ["mm", 1e6],
  ["µm", 1e3],
  ["nm", 1],
  ["pm", 1e-3],
];

const NANOMETERS: Record<string, number> = {
  yoctometer: 1e-15,
  zeptometer: 1e-12,
  attometer: 1e-9,
  femtometer: 1e-6,
  picometer: 1e-3,
  angstrom: 0.1,
  nanometer: 1,
  micrometer: 1e3,
  millimeter: 1e6,
  centimeter: 1e7,
  decimeter: 1e8,
  meter: 1e9,
  hectometer: 1e11,
  kilometer: 1e12,
  inch: 2.54e7,
  foot: 3.048e8,
  yard: 9.144e8,
  mile: 1.609344e12,
};

export function toNanometers(unit: string): number {
  return NANOMETERS[unit] ?? 1;
}

/** The longest round length of at most `maxPixels`, given how many nanometers a pixel spans. */
export function scaleBar(
  nanometersPerPixel: number,
  maxPixels: number,
): { pixels: number; label: string } {
  const most = nanometersPerPixel * maxPixels;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.filter((s) => s * power <= most * (1 + 1e-9)).pop() ?? 1;
  const length = step * power;
  const [unit, size] = UNITS.find(([, n]) => length >= n * (1 - 1e-9)) ?? ["pm", 1e-3];
  const number = Number((length / size).toPrecision(3));
  return { pixels: length / nanometersPerPixel, label: `${number} ${unit}` };
}
