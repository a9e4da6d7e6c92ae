// Writes that are not in the database yet, found by key or by row. Keys are keyed hashes, so they may be map keys.
import { PREFIX_LENGTH } from "./sealing.ts";

export interface Unwritten {
  readonly key: Buffer;
  /** Sealed; undefined marks a deletion. */
  readonly value: Buffer | undefined;
}

/** Last write wins. Used for one transaction's own writes and for all writes that are queued but not durable. */
export class Layer<T extends Unwritten> {
  readonly #rows = new Map<string, Map<string, T>>();

  get(key: Buffer): T | undefined {
    return this.#rows.get(key.toString("latin1", 0, PREFIX_LENGTH))?.get(key.toString("latin1"));
  }

  set(entry: T): void {
    const prefix = entry.key.toString("latin1", 0, PREFIX_LENGTH);
    let row = this.#rows.get(prefix);
    if (row === undefined) this.#rows.set(prefix, (row = new Map()));
    row.set(entry.key.toString("latin1"), entry);
  }

  /** Removes `entry` unless a later write has taken its place. */
  remove(entry: T): void {
    const prefix = entry.key.toString("latin1", 0, PREFIX_LENGTH);
    const row = this.#rows.get(prefix);
    const key = entry.key.toString("latin1");
    if (row?.get(key) !== entry) return;
    row.delete(key);
    if (row.size === 0) this.#rows.delete(prefix);
  }

  /** Entries with from <= key < to, both of one row, in no order. */
  within(from: Buffer, to: Buffer): T[] {
    const row = this.#rows.get(from.toString("latin1", 0, PREFIX_LENGTH));
    if (row === undefined) return [];
    return [...row.values()].filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0);
  }

  all(): T[] {
    return [...this.#rows.values()].flatMap((row) => [...row.values()]);
  }

  clear(): void {
    this.#rows.clear();
  }
}
