import { expect, test } from "vitest";
import { WheelSteps, wheelPixels, wheelZoom } from "./wheel.ts";

test("a notch of a mouse is one step, in every unit that browsers count in", () => {
  for (const turn of [
    { deltaX: 0, deltaY: 100, deltaMode: 0 },
    { deltaX: 0, deltaY: 3, deltaMode: 1 },
    { deltaX: 0, deltaY: 1, deltaMode: 2 },
    { deltaX: 120, deltaY: 0, deltaMode: 0 }, // with shift held
  ]) {
    expect(new WheelSteps().add(wheelPixels(turn))).toBe(1);
    expect(wheelZoom(wheelPixels(turn))).toBeCloseTo(1.1);
  }
  expect(new WheelSteps().add(-120)).toBe(-1);
});

test("a touch pad's small steps add up, and start anew when it turns round", () => {
  const steps = new WheelSteps();
  const sum = Array.from({ length: 25 }, () => steps.add(4)).reduce((a, b) => a + b, 0);
  expect(sum).toBe(2);
  expect(steps.add(40)).toBe(0);
  expect(steps.add(-40)).toBe(0);
  expect(steps.add(-10)).toBe(-1);
});
