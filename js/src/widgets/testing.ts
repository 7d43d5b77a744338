import type { AnyModel } from "@anywidget/types";
import { isSame } from "./traitSync.ts";

type Listener = (...values: never[]) => void;

/** What anywidget gives a view, for tests: the traits of a model, and messages to and from its kernel. */
export class FakeModel {
  readonly sent: Record<string, unknown>[] = [];
  /** What each `save_changes` has told Python. */
  readonly saved: Record<string, unknown>[] = [];
  /** Called with each message to the kernel. */
  onSend: (message: Record<string, unknown>) => void = () => {};
  hasKernel = true;
  private unsaved: Record<string, unknown> = {};
  private readonly listeners = new Map<string, Set<Listener>>();

  constructor(private readonly traits: Record<string, unknown>) {}

  /** As the views have it. */
  get model(): AnyModel {
    return this as unknown as AnyModel;
  }

  get listenerCount(): number {
    return [...this.listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get(name: string): unknown {
    return this.traits[name];
  }

  /** As Backbone does: who listens hears of it at once, but only when something is different. */
  set(name: string, value: unknown): void {
    if (isSame(this.traits[name], value)) return;
    this.unsaved[name] = value;
    this.change(name, value);
  }

  save_changes(): void {
    if (!this.hasKernel) throw new Error("Syncing error: no comm channel defined");
    if (Object.keys(this.unsaved).length > 0) this.saved.push(this.unsaved);
    this.unsaved = {};
  }

  send(message: Record<string, unknown>): void {
    this.sent.push(message);
    this.onSend(message);
  }

  on(event: string, fn: Listener): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(fn));
  }

  off(event: string, fn: Listener): void {
    this.listeners.get(event)?.delete(fn);
  }

  /** Python sets a trait. */
  change(name: string, value: unknown): void {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  /** The kernel sends a message. Its bytes lie somewhere in a larger buffer, as those from a socket do. */
  receive(message: Record<string, unknown>, frame?: ArrayBuffer): void {
    const buffers: DataView[] = [];
    if (frame !== undefined) {
      const bytes = new Uint8Array(frame.byteLength + 5);
      bytes.set(new Uint8Array(frame), 3);
      buffers.push(new DataView(bytes.buffer, 3, frame.byteLength));
    }
    this.emit("msg:custom", message, buffers);
  }

  private emit(event: string, ...values: unknown[]): void {
    for (const fn of [...(this.listeners.get(event) ?? [])]) fn(...(values as never[]));
  }
}
