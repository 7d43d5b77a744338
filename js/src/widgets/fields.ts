import type { Disposer } from "../core/disposable.ts";
import type { Vec3 } from "../core/vec3.ts";
import { make } from "../viewer/dom.ts";

/** A labelled input. `title` says to screen readers, and under the pointer, what `caption` has no room for. */
export function makeField(
  parent: HTMLElement,
  caption: string,
  type: string,
  title: string,
): HTMLInputElement {
  const label = make("label", `wk-field wk-field-${type}`, parent);
  const input = document.createElement("input");
  input.type = type;
  input.title = title;
  input.setAttribute("aria-label", title);
  const text = document.createElement("span");
  text.className = "wk-caption";
  text.textContent = caption;
  label.append(...(type === "checkbox" ? [input, text] : [text, input]));
  input.addEventListener("input", () => {
    input.dataset.typing = "";
  });
  for (const end of ["change", "blur"]) {
    input.addEventListener(end, () => delete input.dataset.typing);
  }
  return input;
}

/** Call `fn` when the user has finished a field: by Enter, which pages may take away, or by leaving it. */
export function onEntered(disposer: Disposer, input: HTMLInputElement, fn: () => void): void {
  disposer.listen(input, "change", fn);
  disposer.listen(input, "keydown", (event) => {
    if (event.key !== "Enter") return;
    event.stopPropagation();
    delete input.dataset.typing;
    fn();
  });
}

/** Show a value, but leave a field alone into which the user is typing. */
export function showValue(input: HTMLInputElement, value: string): void {
  if (input.dataset.typing !== undefined) return;
  if (input.value !== value) input.value = value;
  markInvalid(input, false);
}

export function markInvalid(input: HTMLInputElement, isInvalid: boolean): void {
  input.setAttribute("aria-invalid", String(isInvalid));
}

export function toHex(color: Vec3): string {
  return `#${color.map((n) => Math.round(n).toString(16).padStart(2, "0")).join("")}`;
}

export function fromHex(hex: string): Vec3 {
  const number = Number.parseInt(hex.slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

/** The three numbers of a text, whatever stands between them; null where there aren't three. */
export function parseVec3(text: string): Vec3 | null {
  const numbers = text.match(/-?\d+(?:\.\d+)?/g)?.map(Number) ?? [];
  const [x, y, z] = numbers;
  const isThree = numbers.length === 3 && x !== undefined && y !== undefined && z !== undefined;
  return isThree ? [x, y, z] : null;
}
