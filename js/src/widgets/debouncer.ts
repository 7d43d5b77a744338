/** Runs the newest of many calls, at most once in a while. */
export class Debouncer {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private latest: () => void = () => {};

  constructor(private readonly ms: number) {}

  run(fn: () => void): void {
    this.latest = fn;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.latest();
    }, this.ms);
  }

  cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}
