// Exclusive use of a name inside this process: first come, first served.

/** Keys are keyed hashes of names, never names. */
export class Locks {
  readonly #waiting = new Map<string, (() => void)[] | undefined>();

  /** Takes `key` for the caller alone when nobody holds it. */
  tryAcquire(key: string): boolean {
    if (this.#waiting.has(key)) return false;
    this.#waiting.set(key, undefined);
    return true;
  }

  /** Resolves when the caller alone holds `key`. */
  async acquire(key: string): Promise<void> {
    if (this.tryAcquire(key)) return;
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, waiting);
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  isHeld(key: string): boolean {
    return this.#waiting.has(key);
  }

  /** Hands `key` to the next in line. */
  release(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next === undefined) this.#waiting.delete(key);
    else next();
  }
}
