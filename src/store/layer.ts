// Writes that are not in the database yet, found by key or by row. Keys are keyed hashes, so they may be map keys.
import { PREFIX_LENGTH } from "./sealing.ts";

/** Where a record lies: its key, and the key again as text (latin1) to find it by. */
export interface Location {
  readonly key: Buffer;
  readonly text: string;
}

export interface Unwritten extends Location {
  /** Sealed; undefined marks a deletion. */
  readonly value: Buffer | undefined;
  /** Of an ordered room: only these are found by their row. */
  readonly ordered: boolean;
}

export const locate = (key: Buffer): Location => ({ key, text: key.toString("latin1") });

/** Last write wins. Used for one transaction's own writes and for all writes that are queued but not durable. */
export class Layer<T extends Unwritten> {
  readonly #entries = new Map<string, T>();
  // By the prefix of a row, what `entries` has of it.
  readonly #rows = new Map<string, Set<string>>();

  get(text: string): T | undefined {
    return this.#entries.get(text);
  }

  set(entry: T): void {
    this.#entries.set(entry.text, entry);
    if (!entry.ordered) return;
    const prefix = entry.text.slice(0, PREFIX_LENGTH);
    const row = this.#rows.get(prefix);
    if (row === undefined) this.#rows.set(prefix, new Set([entry.text]));
    else row.add(entry.text);
  }

  /** Removes `entry` unless a later write has taken its place. */
  remove(entry: T): void {
    if (this.#entries.get(entry.text) !== entry) return;
    this.#entries.delete(entry.text);
    if (!entry.ordered) return;
    const prefix = entry.text.slice(0, PREFIX_LENGTH);
    const row = this.#rows.get(prefix);
    row?.delete(entry.text);
    if (row?.size === 0) this.#rows.delete(prefix);
  }

  /** Entries with from <= key < to, both of one row, in no order. */
  within(from: Buffer, to: Buffer): T[] {
    const found: T[] = [];
    for (const text of this.#rows.get(from.toString("latin1", 0, PREFIX_LENGTH)) ?? []) {
      const entry = this.#entries.get(text)!;
      if (Buffer.compare(entry.key, from) >= 0 && Buffer.compare(entry.key, to) < 0) found.push(entry);
    }
    return found;
  }

  all(): T[] {
    return [...this.#entries.values()];
  }

  clear(): void {
    this.#entries.clear();
    this.#rows.clear();
  }
}
