import type { AnyModel } from "@anywidget/types";
import type { StatePatch, ViewerState } from "../viewer/types.ts";
import { Debouncer } from "./debouncer.ts";

const SYNC_MS = 100;

/** Python's traits, and what they are in the viewer's state. */
const TRAITS = {
  position: "position",
  zoom: "zoom",
  layer_settings: "layers",
  blend_mode: "blendMode",
  render_missing_data_black: "renderMissingDataBlack",
  additional_coordinates: "additionalCoordinates",
} as const satisfies Record<string, keyof ViewerState>;

type Trait = keyof typeof TRAITS;

interface Viewer {
  getState(): ViewerState;
  setState(patch: StatePatch): void;
}

/** The whole state as the traits have it. */
export function stateOf(model: AnyModel): StatePatch {
  const entries = Object.entries(TRAITS).map(([trait, key]) => [key, model.get(trait)]);
  return Object.fromEntries(entries) as StatePatch;
}

/**
 * Keeps a viewer and the traits alike. Python's changes are shown at once; the user's are told Python a moment
 * later, and only those: what Python changes meanwhile stays, unless the user is changing just that.
 */
export class TraitSync {
  private readonly unsaved = new Set<Trait>();
  private readonly debouncer = new Debouncer(SYNC_MS);
  private readonly listeners = new Map<string, () => void>();

  constructor(
    private readonly model: AnyModel,
    private readonly viewer: Viewer,
    private readonly pulled: () => void,
  ) {
    for (const trait of Object.keys(TRAITS) as Trait[]) {
      const listener = () => this.pull(trait);
      this.listeners.set(`change:${trait}`, listener);
      model.on(`change:${trait}`, listener);
    }
  }

  /** The user has changed the viewer. */
  push(): void {
    const state = this.viewer.getState();
    for (const [trait, key] of Object.entries(TRAITS) as [Trait, keyof ViewerState][]) {
      if (!isSame(this.model.get(trait), state[key])) this.unsaved.add(trait);
    }
    if (this.unsaved.size > 0) this.debouncer.run(() => this.save());
  }

  dispose(): void {
    this.debouncer.cancel();
    for (const [event, listener] of this.listeners) this.model.off(event as "msg:custom", listener);
  }

  private save(): void {
    const state = this.viewer.getState();
    const traits = [...this.unsaved];
    this.unsaved.clear();
    // A copy: the model must not see what is changed in place later, nor the other way round.
    const values = traits.map((trait) => structuredClone(state[TRAITS[trait]]));
    setTraits(this.model, Object.fromEntries(traits.map((trait, i) => [trait, values[i]])));
  }

  private pull(trait: Trait): void {
    if (this.unsaved.has(trait)) return;
    const value = this.model.get(trait);
    if (isSame(value, this.viewer.getState()[TRAITS[trait]])) return;
    this.viewer.setState({ [TRAITS[trait]]: value } as StatePatch);
    this.pulled();
  }
}

/** Tell Python. A saved notebook without a kernel can be looked at too: then nobody is told. */
export function setTraits(model: AnyModel, values: Record<string, unknown>): void {
  for (const [trait, value] of Object.entries(values)) model.set(trait, value);
  try {
    model.save_changes();
  } catch (error) {
    console.debug("wk_jupyter: there is no kernel to tell", error);
  }
}

/** Whether two JSON values are equal. */
export function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => isSame(a[key as keyof typeof a], b[key as keyof typeof b]))
  );
}
