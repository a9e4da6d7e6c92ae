// The turn keys that are live: what every record is sealed under, and what is forgotten (erasable.ts).

/** Bytes of a turn key's public name, which is random so that it does not count. */
export const TURN_ID_LENGTH = 4;
export const TURN_KEY_LENGTH = 32;

/** The newest first, and during a turn the one before. */
export interface TurnKeys {
  readonly ids: readonly Buffer[];
  /** Runs `work` with the keys, 32 bytes each, in the order of `ids`. */
  use<T>(work: (keys: Buffer) => T): T;
  /** Adds a new one in front, durably. Fault `store/write`: then nothing has changed. */
  begin(): void;
  /** Forgets all but the newest, durably. Fault `store/write`: to be called again. */
  drop(): void;
  close(): void;
}
