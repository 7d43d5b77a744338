import type { Disposer } from "../core/disposable.ts";
import { make } from "../viewer/dom.ts";
import type { DType } from "../viewer/types.ts";

type Range = readonly [number, number];

/** A slider with two handles. */
export class RangeSlider {
  private readonly track: HTMLElement;
  private readonly low: HTMLInputElement;
  private readonly high: HTMLInputElement;
  private bounds: Range = [0, 1];

  constructor(
    parent: HTMLElement,
    name: string,
    private readonly dtype: DType,
    disposer: Disposer,
    change: (range: Range) => void,
  ) {
    this.track = make("div", "wk-range", parent);
    this.low = this.addHandle(`Lower end of the intensities of ${name}`);
    this.high = this.addHandle(`Upper end of the intensities of ${name}`);
    for (const handle of [this.low, this.high]) {
      disposer.listen(handle, "input", () => {
        this.keepApart(handle);
        this.paint();
        change(this.range);
      });
    }
  }

  /** Null is the whole of a small type; of a large one it is what the data hold, which nobody here knows. */
  show(given: Range | null): void {
    const isUnknown = given === null && bitsOf(this.dtype) > 16;
    this.track.hidden = isUnknown;
    if (isUnknown) return;
    const range = given ?? boundsFor(this.dtype, [0, 0]);
    const isDragged = this.track.contains(document.activeElement) && this.isWithin(range);
    if (!isDragged) this.setBounds(boundsFor(this.dtype, range));
    this.low.value = String(range[0]);
    this.high.value = String(range[1]);
    this.paint();
  }

  private get range(): Range {
    return [Number(this.low.value), Number(this.high.value)];
  }

  private addHandle(title: string): HTMLInputElement {
    const input = make("input", "", this.track);
    input.type = "range";
    input.title = title;
    input.setAttribute("aria-label", title);
    return input;
  }

  private isWithin(range: Range): boolean {
    return range[0] >= this.bounds[0] && range[1] <= this.bounds[1];
  }

  private setBounds(bounds: Range): void {
    this.bounds = bounds;
    for (const handle of [this.low, this.high]) {
      handle.min = String(bounds[0]);
      handle.max = String(bounds[1]);
      handle.step = isWhole(this.dtype) ? "1" : "any";
    }
  }

  /** The handle that is moved stops at the other. */
  private keepApart(moved: HTMLInputElement): void {
    const [low, high] = this.range;
    if (low > high) moved.value = String(moved === this.low ? high : low);
  }

  private paint(): void {
    const [from, to] = this.bounds;
    const [low, high] = this.range.map((n) => (100 * (n - from)) / (to - from));
    this.track.style.setProperty("--wk-low", `${low}%`);
    this.track.style.setProperty("--wk-high", `${high}%`);
    // Where both are at the right end, only the lower one can move.
    this.low.style.zIndex = (low ?? 0) > 50 ? "2" : "1";
  }
}

function isWhole(dtype: DType): boolean {
  return !dtype.startsWith("float");
}

function bitsOf(dtype: DType): number {
  return Number(dtype.replace(/\D+/, ""));
}

/** Between which values the handles go: all of a small type, else what lies around the range. */
export function boundsFor(dtype: DType, [low, high]: Range): Range {
  const bits = bitsOf(dtype);
  if (bits <= 16)
    return dtype.startsWith("u") ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  const half = (high - low) / 2 || 1;
  // The handles go in steps from the lower bound: whole types have whole bounds.
  const around = isWhole(dtype) ? Math.ceil(half) : half;
  return [dtype.startsWith("u") ? Math.max(0, low - around) : low - around, high + around];
}
