/** What a key does. Directions are those of the active panel. */
export type Action =
  | { readonly kind: "slice"; readonly count: number }
  | { readonly kind: "pan"; readonly right: number; readonly down: number }
  | { readonly kind: "zoom"; readonly out: number }
  | { readonly kind: "maximise" }
  | { readonly kind: "toggleSegmentation" }
  | { readonly kind: "leave" };

export interface KeyBinding {
  /** `KeyboardEvent.key`, lower case. */
  readonly key: string;
  readonly shift?: boolean;
  readonly control?: boolean;
  readonly action: Action;
}

export const MANY_SLICES = 5;

/** WEBKNOSSOS's keys. A binding that leaves out a modifier needs it not pressed. */
export const KEY_BINDINGS: readonly KeyBinding[] = [
  { key: "f", action: { kind: "slice", count: 1 } },
  { key: "d", action: { kind: "slice", count: -1 } },
  { key: "f", shift: true, action: { kind: "slice", count: MANY_SLICES } },
  { key: "d", shift: true, action: { kind: "slice", count: -MANY_SLICES } },
  { key: " ", action: { kind: "slice", count: 1 } },
  { key: " ", control: true, action: { kind: "slice", count: -1 } },
  // Where the system keeps Ctrl+Space for itself (macOS).
  { key: " ", shift: true, action: { kind: "slice", count: -1 } },
  { key: "i", action: { kind: "zoom", out: -1 } },
  { key: "o", action: { kind: "zoom", out: 1 } },
  { key: "arrowleft", action: { kind: "pan", right: -1, down: 0 } },
  { key: "arrowright", action: { kind: "pan", right: 1, down: 0 } },
  { key: "arrowup", action: { kind: "pan", right: 0, down: -1 } },
  { key: "arrowdown", action: { kind: "pan", right: 0, down: 1 } },
  { key: ".", action: { kind: "maximise" } },
  { key: "3", action: { kind: "toggleSegmentation" } },
  { key: "escape", action: { kind: "leave" } },
];

export interface Keystroke {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

/** What a keystroke does; null where it is left to others. */
export function actionFor(
  stroke: Keystroke,
  bindings: readonly KeyBinding[] = KEY_BINDINGS,
): Action | null {
  if (stroke.altKey) return null;
  const key = stroke.key.toLowerCase();
  const control = stroke.ctrlKey || stroke.metaKey;
  const found = bindings.find(
    (binding) =>
      binding.key === key &&
      (binding.shift ?? false) === stroke.shiftKey &&
      (binding.control ?? false) === control,
  );
  return found?.action ?? null;
}
