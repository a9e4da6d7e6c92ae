// What the commands need of a house, by shape: main.ts gives it, tests stand in for it.
import type { Config } from "../config/config.ts";

export interface OpenedHouse {
  /** The onion address, 56 characters and ".onion". */
  readonly onion: string;
  /** Resolves when the house can be reached. */
  start(): Promise<void>;
  /** Also closes a house that was only opened. */
  stop(): Promise<void>;
  /** `count` invitations, each for one account. */
  invite(count: number): string[] | Promise<string[]>;
  /** Totals since `start`: requests answered with success, tokens redeemed. */
  snapshot(): { readonly served: number; readonly redeemed: number };
}

/** What the files show without a key. `findings` should not be; the rest cannot be helped. */
export interface SeenOnDisk {
  readonly files: number;
  readonly bytes: number;
  readonly records: number;
  /** Sealed lengths, and how many records have each. */
  readonly lengths: readonly (readonly [length: number, records: number])[];
  readonly rows: number;
  readonly periods: number;
  readonly findings: readonly string[];
  readonly planted: number;
  readonly plantedFound: number;
}

export interface Houses {
  /** Makes master key, store and identity. Never touches what is there: Fault `store/exists`. */
  createHouse(options: { config: Config }): Promise<{ onion: string; rootKeyPath: string }>;
  /** Opens what `createHouse` made; never makes anything. Faults `store/missing`, `store/locked`, `store/wrong-key`. */
  openHouse(options: { config: Config; clock: () => number; issuerOnly?: boolean }): Promise<OpenedHouse>;
  /** Copies a stopped house into an empty folder. Faults `store/exists`, `store/locked`. */
  backUpHouse(options: { config: Config; to: string }): Promise<void>;
  /** Accepts that a stopped house was set back. Fault `store/not-rolled-back`. */
  acceptRolledBack(options: { config: Config }): Promise<void>;
  /** Looks at the files of a house, which may run, on a copy. Fault `store/missing`. */
  auditHouse(options: { config: Config }): Promise<SeenOnDisk>;
}
