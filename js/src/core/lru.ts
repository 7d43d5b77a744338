/** A map that forgets what was not used for longest, by weight. */
export class Lru<K, V> {
  private readonly entries = new Map<K, { value: V; weight: number }>();
  private total = 0;

  /** `isKept` guards entries that must not be forgotten now, whatever the weight. */
  constructor(
    readonly capacity: number,
    private readonly isKept: (key: K) => boolean = () => false,
    private readonly onEvict: (key: K, value: V) => void = () => {},
  ) {}

  get weight(): number {
    return this.total;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Look without counting it as use. */
  peek(key: K): V | undefined {
    return this.entries.get(key)?.value;
  }

  get(key: K): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key); // a Map keeps the order of insertion
    this.entries.set(key, entry);
    return entry.value;
  }

  set(key: K, value: V, weight: number): void {
    this.delete(key);
    this.entries.set(key, { value, weight });
    this.total += weight;
    if (this.total > this.capacity) this.evict();
  }

  delete(key: K): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.total -= entry.weight;
  }

  clear(): void {
    this.entries.clear();
    this.total = 0;
  }

  private evict(): void {
    for (const [key, { value }] of this.entries) {
      if (this.total <= this.capacity) return;
      if (this.isKept(key)) continue;
      this.delete(key);
      this.onEvict(key, value);
    }
  }
}
