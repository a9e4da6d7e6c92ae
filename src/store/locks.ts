// Exclusive use of a name inside this process: first come, first served.

/** Keys are keyed hashes of names, never names. */
export class Locks {
  readonly #waiting = new Map<string, (() => void)[]>();

  /** Resolves when the caller alone holds `key`. */
  async acquire(key: string): Promise<void> {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, []);
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }

  /** Hands `key` to the next in line. */
  release(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next === undefined) this.#waiting.delete(key);
    else next();
  }
}
