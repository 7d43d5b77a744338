/** Lets a few tasks run at a time. The others wait in line, and leave it when they are aborted. */
export class Gate {
  private running = 0;
  private readonly line: (() => void)[] = [];

  constructor(private readonly limit: number) {}

  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.running >= this.limit) await this.wait(signal);
    else this.running += 1;
    try {
      return await task();
    } finally {
      const next = this.line.shift();
      if (next)
        next(); // who waited takes the place over, before anybody new can
      else this.running -= 1;
    }
  }

  private wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.line.splice(this.line.indexOf(enter), 1);
        reject(signal.reason);
      };
      this.line.push(enter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}

/** Settles as the promise does, or as soon as the signal is aborted. */
export function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
