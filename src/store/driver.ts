// What a database must offer to hold the house's records. It sees hashed keys and sealed values only.

/** Physical keys are always this long, whatever they name. */
export const KEY_LENGTH = 24;

/** One change: `value` undefined deletes the key. Keys are 24 bytes. */
export interface Operation {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * The contract (test/contract/store.ts is its conformance suite):
 * - `commit` is atomic, durable when it resolves, and visible to every read that starts after it. One at a time: the
 *   caller awaits each commit before the next.
 * - A commit that rejects leaves an unknown outcome (all or nothing); `server/full` promises nothing was written.
 *   After a rejection the caller calls `recover` before it commits again.
 * - Reads see a state between two commits.
 */
export interface StoreDriver {
  commit(operations: readonly Operation[]): Promise<void>;
  get(key: Uint8Array): Promise<Buffer | undefined>;
  /** The values in the order of the keys. */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /** Entries with from <= key < to in byte order; stops at `limit` entries or once `maxBytes` of values were read. */
  range(from: Uint8Array, to: Uint8Array, limit: number, maxBytes?: number): Promise<Entry[]>;
  /** Settles what a failed commit left behind. Faults `server/full`, `store/write` when it cannot yet. */
  recover(): Promise<void>;
  close(): Promise<void>;
}
