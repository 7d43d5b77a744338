const STEPS = [1, 2, 5, 10];

const UNITS: readonly (readonly [string, number])[] = [
  ["km", 1e12],
  ["m", 1e9],
  ["mm", 1e6],
  ["µm", 1e3],
  ["nm", 1],
  ["pm", 1e-3],
];

/** The length units of WEBKNOSSOS. */
const NANOMETERS: Record<string, number> = {
  yoctometer: 1e-15,
  zeptometer: 1e-12,
  attometer: 1e-9,
  femtometer: 1e-6,
  picometer: 1e-3,
  nanometer: 1,
  micrometer: 1e3,
  millimeter: 1e6,
  centimeter: 1e7,
  decimeter: 1e8,
  meter: 1e9,
  hectometer: 1e11,
  kilometer: 1e12,
  megameter: 1e15,
  gigameter: 1e18,
  terameter: 1e21,
  petameter: 1e24,
  exameter: 1e27,
  zettameter: 1e30,
  yottameter: 1e33,
  angstrom: 0.1,
  inch: 2.54e7,
  foot: 3.048e8,
  yard: 9.144e8,
  mile: 1.609344e12,
  parsec: 3.0856775814913673e25,
};

/** How many nanometers a unit is; 1 for an unknown one. */
export function toNanometers(unit: string): number {
  return NANOMETERS[unit] ?? 1;
}

/** A length in the unit in which it is a handy number. */
export function lengthText(nanometers: number, digits = 3): string {
  const [unit, size] = unitFor(nanometers);
  return `${Number((nanometers / size).toPrecision(digits))} ${unit}`;
}

/** Several lengths in one unit, as in "11.2 × 11.2 × 25 nm". */
export function lengthsText(nanometers: readonly number[], digits = 4): string {
  const [unit, size] = unitFor(Math.max(...nanometers));
  const numbers = nanometers.map((length) => Number((length / size).toPrecision(digits)));
  return `${numbers.join(" × ")} ${unit}`;
}

function unitFor(nanometers: number): readonly [string, number] {
  return UNITS.find(([, size]) => nanometers >= size * (1 - 1e-9)) ?? ["pm", 1e-3];
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
  return { pixels: length / nanometersPerPixel, label: lengthText(length) };
}
