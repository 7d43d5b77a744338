/** A mouse's notch is 100 to 120 pixels; touch pads send many small steps. */
const NOTCH = 50;
const LINE = 40;
const PAGE = 400;

export interface WheelTurn {
  readonly deltaX: number;
  readonly deltaY: number;
  readonly deltaMode: number;
}

/** How far a wheel was turned, in pixels. Browsers turn a wheel with shift sideways. */
export function wheelPixels({ deltaX, deltaY, deltaMode }: WheelTurn): number {
  const delta = deltaY === 0 ? deltaX : deltaY;
  return delta * (deltaMode === 1 ? LINE : deltaMode === 2 ? PAGE : 1);
}

/** Turns wheel movements into steps: one for a notch, and for as much of a touch pad's way. */
export class WheelSteps {
  private rest = 0;

  add(pixels: number): number {
    if (Math.abs(pixels) >= NOTCH) {
      this.rest = 0;
      return Math.sign(pixels);
    }
    if (Math.sign(pixels) !== Math.sign(this.rest)) this.rest = 0;
    this.rest += pixels;
    const steps = Math.trunc(this.rest / NOTCH);
    this.rest -= steps * NOTCH;
    return steps + 0; // never -0
  }
}

const ZOOM_STEP = 1.1;

/** By how much a wheel or a pinch zooms out. */
export function wheelZoom(pixels: number): number {
  return Math.abs(pixels) >= NOTCH ? ZOOM_STEP ** Math.sign(pixels) : ZOOM_STEP ** (pixels / 10);
}
