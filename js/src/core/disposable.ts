/** Collects what has to be undone; whoever makes a GL object, a listener or a timer registers it here. */
export class Disposer {
  private readonly undo: (() => void)[] = [];
  private done = false;

  get isDisposed(): boolean {
    return this.done;
  }

  add(fn: () => void): void {
    if (this.done) fn();
    else this.undo.push(fn);
  }

  listen<K extends keyof HTMLElementEventMap>(
    target: HTMLElement,
    type: K,
    fn: (event: HTMLElementEventMap[K]) => void,
    options?: AddEventListenerOptions,
  ): void {
    target.addEventListener(type, fn, options);
    this.add(() => target.removeEventListener(type, fn, options));
  }

  /** Undo everything, last first. Calling it again does nothing. */
  dispose(): void {
    if (this.done) return;
    this.done = true;
    for (const fn of this.undo.reverse()) fn();
    this.undo.length = 0;
  }
}
