import { expect, test } from "vitest";
import { lengthsText, lengthText, scaleBar, toNanometers } from "./scaleBar.ts";

test.each([
  [11.24, 140, "1 µm"],
  [1, 140, "100 nm"],
  [0.005, 140, "500 pm"],
  [250_000, 140, "20 mm"],
  [7.2, 139, "1 µm"],
  [1e9, 100, "100 m"],
])("at %d nm a pixel the bar of at most %d pixels says %s", (nm, most, label) => {
  const bar = scaleBar(nm, most);
  expect(bar.label).toBe(label);
  expect(bar.pixels).toBeLessThanOrEqual(most * (1 + 1e-9));
  expect(bar.pixels).toBeGreaterThan(most / 2.6);
});

test("lengths come in handy units", () => {
  expect(lengthText(5757)).toBe("5.76 µm");
  expect(lengthText(999_999.9999999)).toBe("1 mm");
  expect(lengthsText([11.24, 11.24, 28])).toBe("11.24 × 11.24 × 28 nm");
  expect(lengthsText([250_000, 250_000, 250_000])).toBe("250 × 250 × 250 µm");
  expect([toNanometers("micrometer"), toNanometers("inch"), toNanometers("angstrom")]).toEqual([
    1000, 2.54e7, 0.1,
  ]);
});
