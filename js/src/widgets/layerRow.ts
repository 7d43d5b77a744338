import type { Disposer } from "../core/disposable.ts";
import { make } from "../viewer/dom.ts";
import type { LayerSpec, LayerState } from "../viewer/types.ts";
import { fromHex, makeField, markInvalid, onEntered, showValue, toHex } from "./fields.ts";
import { RangeSlider } from "./rangeSlider.ts";

type Change = (patch: Partial<LayerState>) => void;

/** The settings of one layer. */
export class LayerRow {
  private readonly row: HTMLElement;
  private readonly visible: HTMLInputElement;
  private readonly opacity: HTMLInputElement;
  private readonly opacityText: HTMLElement;
  private readonly look: ColorLook | null;

  constructor(
    parent: HTMLElement,
    { name, category, dtype }: LayerSpec,
    disposer: Disposer,
    change: Change,
  ) {
    this.row = make("div", "wk-row wk-layer", parent);
    this.row.setAttribute("role", "group");
    this.row.setAttribute("aria-label", `Layer ${name}`);
    this.visible = makeField(this.row, name, "checkbox", `Show ${name}`);
    disposer.listen(this.visible, "input", () => change({ visible: this.visible.checked }));
    this.opacity = makeField(this.row, "Opacity", "range", `Opacity of ${name}, 0 to 100`);
    this.opacity.min = "0";
    this.opacity.max = "100";
    this.opacityText = make("span", "wk-value", this.opacity.parentElement ?? this.row);
    disposer.listen(this.opacity, "input", () => change({ opacity: Number(this.opacity.value) }));
    const isColor = category === "color";
    this.look = isColor ? new ColorLook(this.row, { name, dtype }, disposer, change) : null;
  }

  show(state: LayerState): void {
    this.row.classList.toggle("wk-off", !state.visible);
    this.visible.checked = state.visible;
    this.opacity.value = String(state.opacity);
    this.opacityText.textContent = `${Math.round(state.opacity)} %`;
    this.look?.show(state);
  }
}

/** What only colour layers have: a colour, a range of intensities, interpolation. */
class ColorLook {
  private readonly color: HTMLInputElement;
  private readonly low: HTMLInputElement;
  private readonly high: HTMLInputElement;
  private readonly slider: RangeSlider;
  private readonly interpolation: HTMLInputElement;

  constructor(
    row: HTMLElement,
    { name, dtype }: Pick<LayerSpec, "name" | "dtype">,
    disposer: Disposer,
    private readonly change: Change,
  ) {
    this.color = makeField(row, "Color", "color", `Color of ${name}`);
    disposer.listen(this.color, "input", () => change({ color: fromHex(this.color.value) }));
    const range = make("div", "wk-intensities", row);
    this.low = makeField(range, "Range", "number", `Intensity of ${name} that is black`);
    this.slider = new RangeSlider(range, name, dtype, disposer, (intensityRange) =>
      change({ intensityRange }),
    );
    this.high = makeField(range, "", "number", `Intensity of ${name} that is brightest`);
    for (const input of [this.low, this.high]) {
      input.step = "any";
      input.placeholder = "auto";
      onEntered(disposer, input, () => this.onTyped());
    }
    this.interpolation = makeField(row, "Smooth", "checkbox", `Interpolate ${name}`);
    disposer.listen(this.interpolation, "input", () =>
      change({ interpolation: this.interpolation.checked }),
    );
  }

  show({ color, intensityRange, interpolation }: LayerState): void {
    this.color.value = toHex(color);
    showValue(this.low, short(intensityRange?.[0]));
    showValue(this.high, short(intensityRange?.[1]));
    this.slider.show(intensityRange);
    this.interpolation.checked = interpolation;
  }

  /** Both empty: the range is taken from the data. */
  private onTyped(): void {
    const [low, high] = [this.low.value.trim(), this.high.value.trim()];
    const isAuto = low === "" && high === "";
    const isRange = low !== "" && high !== "" && Number(low) <= Number(high);
    for (const input of [this.low, this.high]) markInvalid(input, !isAuto && !isRange);
    if (isAuto) this.change({ intensityRange: null });
    else if (isRange) this.change({ intensityRange: [Number(low), Number(high)] });
  }
}

/** Six digits of a number, which a field has room for. */
function short(value: number | undefined): string {
  return value === undefined ? "" : String(Number(value.toPrecision(6)));
}
