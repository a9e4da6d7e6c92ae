// What a store is: rooms, transactions, one durable batch a request. Makes one in a folder and opens it: checks all of
// it, refuses, and never repairs.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import type { GuardedKey } from "../memory/guarded-key.ts";
import { Anchor } from "./anchor.ts";
import { Erasable } from "./erasable.ts";
import { newId, readIdentity, writeIdentity } from "./identity.ts";
import { inspect, removeOldViews } from "./inspect.ts";
import { type Head, Journal, sameHead } from "./journal.ts";
import { openLevel } from "./level-driver.ts";
import type { Location } from "./layer.ts";
import { Locks } from "./locks.ts";
import { Sealing } from "./sealing.ts";
import type { Room } from "./rooms.ts";
import { SealedStore } from "./sealed-store.ts";
import type { Machinery } from "./transaction.ts";
import { Writer } from "./writer.ts";

export type { Room } from "./rooms.ts";

/** A name of a point room, or where `Transaction.places` found its record to lie. */
export type Name = Uint8Array | Place;
/** Where the record of a name lies: made once for what is locked, read and written. Says nothing of the name. */
export interface Place extends Location {
  readonly room: Room;
}

/**
 * Reads. Values are plaintext in the caller's arena, valid until it closes. Each read sees the newest state, not one
 * snapshot: what must hold still is locked. Faults `store/corrupt`, `store/closed`.
 */
export interface View {
  /** A point record, or undefined. Expiring rooms need the partition. */
  get(room: Room, name: Name, options?: { partition?: number }): Promise<Buffer | undefined>;
  /** The records of many names, in their order. Not for expiring rooms. */
  getMany(room: Room, names: readonly Name[]): Promise<(Buffer | undefined)[]>;
  /** Ordered rooms: items with from <= sequence < to, at most `limit` and at most `maxBytes` of plaintext. */
  range(
    room: Room,
    name: Uint8Array,
    from: number,
    to: number,
    limit: number,
    maxBytes?: number,
  ): Promise<{ sequence: number; value: Buffer }[]>;
}

export interface Transaction extends View {
  /**
   * Exclusive use of these names until the writes of this transaction are queued. Must be called before get or put of
   * a name that is read, modified and written. All names of one room in one call: a later call of the same or a lower
   * rank throws, unless its names are held already. Whoever writes a name that another holds is refused: RangeError.
   */
  lock(room: Room, ...names: Name[]): Promise<void>;
  /** For many names at once, each of which is then locked, read and written by its place. Not for expiring rooms. */
  places(room: Room, names: readonly Uint8Array[]): Place[];
  /** Runs `work`, which reads and writes many records, with the store's keys opened once. */
  together<T>(work: () => T): T;
  /** `value` at most MAX_VALUE_LENGTH bytes; sealed before this returns, so the caller may wipe it at once. */
  put(room: Room, name: Name, value: Uint8Array, options?: { partition?: number }): void;
  putAt(room: Room, name: Uint8Array, sequence: number, value: Uint8Array): void;
  /** `putAt` where nothing lies: the caller holds the lock under which the row is numbered, and took the next number. */
  append(room: Room, name: Uint8Array, sequence: number, value: Uint8Array): void;
  delete(room: Room, name: Name, options?: { partition?: number }): void;
  /** Ordered rooms: all items with from <= sequence < to. Lock the name first. */
  deleteRange(room: Room, name: Uint8Array, from: number, to: number): void;
}

export interface Store {
  /**
   * Runs `work`; its writes become one atomic durable batch; resolves with work's result once that is durable. When
   * work throws, nothing is written. Faults `server/full`, `store/write`, `store/closed`: after `store/write` the
   * outcome is unknown (all or nothing), and a retry must be idempotent.
   */
  transact<T>(arena: Arena, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Resolves once everything `work` has read is durable. */
  read<T>(arena: Arena, work: (view: View) => Promise<T>): Promise<T>;
  /** Deletes all records of an expiring room's partition and says how many there were. */
  dropPartition(room: Room, partition: number): Promise<number>;
  /**
   * Makes deletion real: once it resolves, nothing that was deleted or replaced before the call can be opened any more
   * (erasable.ts). Reads and writes every record, beside other work; does nothing when nothing has changed since the
   * last time. A call during another begins when that one has ended. When it rejects, or the process ends, the next one
   * does it all.
   */
  erase(): Promise<void>;
  /** Waits for what is under way, then closes. */
  close(): Promise<void>;
}

/** Where a store lies. `apart`: a folder for its anchor and its erasable keys, which is `dir` when left out. */
export interface StorePlace {
  readonly dir: string;
  readonly apart?: string;
  readonly masterKey: GuardedKey;
}

export interface OpenOptions extends StorePlace {
  /** Free space below which writes are refused. */
  readonly reserveBytes?: number;
  /** Told when a write failed and the database was opened anew. */
  readonly reopened?: () => void;
  /** Told when it takes no more writes. */
  readonly failed?: () => void;
}

/** The names of a store's files. */
export const DATABASE = "db";
export const IDENTITY = "identity";
export const ANCHOR = "anchor";
export const ERASABLE = "erasable";

/** Makes an empty store in `dir` (created when missing, otherwise empty). Fault `store/exists`. */
export async function createStore({ dir, apart = dir, masterKey }: StorePlace): Promise<void> {
  for (const folder of [dir, apart]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const taken = apart !== dir && [ANCHOR, ERASABLE].some((name) => existsSync(join(apart, name)));
  if (taken || readdirSync(dir).length > 0) throw new Fault("store/exists");
  const id = newId();
  const journal = new Journal(masterKey, id);
  const driver = await openLevel({ dir: join(dir, DATABASE), create: true, reserveBytes: 0 });
  try {
    const head = journal.empty();
    await driver.commit([journal.operation(head)]);
    new Anchor(join(apart, ANCHOR), masterKey, id, { create: head }).close();
    new Erasable(join(apart, ERASABLE), masterKey, id, { create: true }).close();
  } finally {
    await driver.close();
    journal.destroy();
  }
  writeIdentity(join(dir, IDENTITY), masterKey, id); // last: a store without it was never finished
}

/**
 * Opens the store in `dir` after checking all of it (see journal.ts for what that notices); a refusal changes no file.
 * The caller keeps `masterKey` and may destroy it afterwards. Faults: `store/missing`, `store/wrong-key`,
 * `store/locked`, `store/corrupt`, `store/rolled-back`, `store/erased`, `server/full`.
 */
export async function openStore(options: OpenOptions): Promise<Store> {
  const { machinery, release } = await openParts(options, false);
  return new SealedStore(machinery, release);
}

/** An opened store in its parts. */
export interface Parts {
  readonly machinery: Machinery;
  readonly journal: Journal;
  readonly id: Buffer;
  /** After `accept`: vouches for the state of now. */
  readonly vouch: () => void;
  readonly release: () => Promise<void>;
}

/** `accept`: only a store that was set back is opened, and nothing vouches for it from here on until `vouch`. */
export async function openParts(options: OpenOptions, accept: boolean): Promise<Parts> {
  const { dir, apart = dir, masterKey, reserveBytes, reopened, failed } = options;
  const id = readIdentity(join(dir, IDENTITY), masterKey);
  if (!existsSync(join(dir, DATABASE, "CURRENT"))) throw new Fault("store/corrupt");
  const turnKeys = new Erasable(join(apart, ERASABLE), masterKey, id);
  const opened: { abandon(): void }[] = [{ abandon: () => turnKeys.close() }];
  try {
    const anchor = new Anchor(join(apart, ANCHOR), masterKey, id, { accept });
    opened.push(anchor);
    const sealing = new Sealing(masterKey, id, turnKeys);
    opened.push({ abandon: () => sealing.destroy() });
    const journal = new Journal(masterKey, id);
    opened.push({ abandon: () => journal.destroy() });
    const vouches = (head: Head): void => (accept ? requireRolledBack(anchor, head) : anchor.check(head));
    const head = await inspect({ parent: dir, name: DATABASE, journal, sealing, vouch: vouches });
    const driver = await openLevel({
      dir: join(dir, DATABASE),
      ...(reserveBytes !== undefined && { reserveBytes }),
      ...(reopened && { reopened }),
    });
    try {
      const found = journal.open(await driver.get(journal.key));
      if (!sameHead(found, head)) throw new Fault("store/locked"); // somebody else wrote in between
      removeOldViews(dir);
      turnKeys.settle();
      if (accept) anchor.clear();
      let newest = head;
      const written = accept ? { write: (next: Head) => void (newest = next) } : anchor;
      return {
        machinery: {
          driver,
          turnKeys,
          sealing,
          writer: new Writer(driver, journal, written, head, failed),
          locks: new Locks(),
        },
        journal,
        id,
        vouch: () => anchor.write(newest),
        async release() {
          anchor.close();
          turnKeys.close();
          journal.destroy();
          await driver.close();
        },
      };
    } catch (error) {
      await driver.close();
      throw error;
    }
  } catch (error) {
    for (const part of opened) part.abandon();
    throw error;
  }
}

function requireRolledBack(anchor: Anchor, head: Head): void {
  try {
    anchor.check(head);
  } catch {
    return;
  }
  throw new Fault("store/not-rolled-back");
}
