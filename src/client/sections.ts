// Typed sections of the client's state: each part of the client says how its section is written, and saves go together.
import type { ArenaPool } from "../memory/arena.ts";
import { decode, encode, type Codec } from "../wire/codec.ts";
import { ClientError } from "./errors.ts";
import type { ClientState } from "./state.ts";

/** A section and what it shall hold; undefined deletes it. */
export interface Entry {
  readonly section: string;
  readonly write: ((allocate: (size: number) => Buffer) => Buffer) | undefined;
}

export const entry = <T>(section: string, codec: Codec<T>, value: T): Entry => ({
  section,
  write: (allocate) => encode(codec, value, allocate),
});

export class Sections {
  readonly #state: ClientState;
  readonly #pool: ArenaPool;

  constructor(state: ClientState, pool: ArenaPool) {
    this.#state = state;
    this.#pool = pool;
  }

  /** The section's value, whose byte fields are views of locked memory of its own. */
  async load<T>(section: string, codec: Codec<T>): Promise<T | undefined> {
    const saved = await this.#state.load(section);
    if (saved === undefined) return undefined;
    try {
      return decode(codec, saved);
    } catch {
      throw new ClientError("state/damaged");
    }
  }

  /** All entries or none, as they are now; durable when it resolves. */
  async save(...entries: readonly Entry[]): Promise<void> {
    const arena = this.#pool.arena();
    try {
      const changes: Record<string, Uint8Array | undefined> = {};
      for (const { section, write } of entries) changes[section] = write?.((size) => arena.take(size));
      await this.#state.save(changes);
    } finally {
      arena.close();
    }
  }
}
