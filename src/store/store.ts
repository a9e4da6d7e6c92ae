// The sealed store: rooms, transactions, one durable batch a request. Opens, refuses, and never repairs.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import type { GuardedKey } from "../memory/guarded-key.ts";
import { Anchor } from "./anchor.ts";
import { KEY_LENGTH } from "./driver.ts";
import { Erasable } from "./erasable.ts";
import { newId, readIdentity, writeIdentity } from "./identity.ts";
import { inspect, removeOldViews } from "./inspect.ts";
import { type Head, Journal, sameHead } from "./journal.ts";
import { openLevel } from "./level-driver.ts";
import { Locks } from "./locks.ts";
import { locate, type Location } from "./layer.ts";
import { type Room, shapeOf } from "./rooms.ts";
import { Sealing } from "./sealing.ts";
import { type Machinery, runWork } from "./transaction.ts";
import { turn } from "./turn.ts";
import { UNREAD, type Write, Writer } from "./writer.ts";

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

const DATABASE = "db";
const IDENTITY = "identity";
const ANCHOR = "anchor";
const ERASABLE = "erasable";

/** Where a store lies. `apart`: a folder for its anchor and its erasable keys, which is `dir` when left out. */
export interface StorePlace {
  readonly dir: string;
  readonly apart?: string;
  readonly masterKey: GuardedKey;
}

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
    new Anchor(join(apart, ANCHOR), masterKey, id, head).close();
    new Erasable(join(apart, ERASABLE), masterKey, id, { create: true }).close();
  } finally {
    await driver.close();
    journal.destroy();
  }
  writeIdentity(join(dir, IDENTITY), masterKey, id); // last: a store without it was never finished
}

/**
 * Opens the store in `dir` after checking all of it (see journal.ts for what that notices); a refusal changes no file.
 * The caller keeps `masterKey` and may destroy it afterwards. `reserveBytes`: free space below which writes are refused.
 * `reopened` is told when a write failed and the database was opened anew, `failed` when it takes no more writes.
 * Faults: `store/missing`, `store/wrong-key`, `store/locked`, `store/corrupt`, `server/full`.
 */
export async function openStore(
  options: StorePlace & {
    reserveBytes?: number;
    reopened?: () => void;
    failed?: () => void;
  },
): Promise<Store> {
  const { dir, apart = dir, masterKey, reserveBytes, reopened, failed } = options;
  const id = readIdentity(join(dir, IDENTITY), masterKey);
  if (!existsSync(join(dir, DATABASE, "CURRENT"))) throw new Fault("store/corrupt");
  const anchor = new Anchor(join(apart, ANCHOR), masterKey, id);
  const turnKeys = new Erasable(join(apart, ERASABLE), masterKey, id);
  const sealing = new Sealing(masterKey, id, turnKeys);
  const journal = new Journal(masterKey, id);
  try {
    const vouch = (head: Head): void => anchor.check(head);
    const head = await inspect({ parent: dir, name: DATABASE, journal, sealing, vouch });
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
      const machinery = {
        driver,
        turnKeys,
        sealing,
        writer: new Writer(driver, journal, anchor, head, failed),
        locks: new Locks(),
      };
      return new SealedStore(machinery, async () => {
        anchor.close();
        turnKeys.close();
        journal.destroy();
        await driver.close();
      });
    } catch (error) {
      await driver.close();
      throw error;
    }
  } catch (error) {
    anchor.abandon();
    turnKeys.close();
    sealing.destroy();
    journal.destroy();
    throw error;
  }
}

const DROP_AT_ONCE = 1024;
const DROP_BYTES = 4 << 20;

/** A store over any driver; `release` gives back what the machinery holds. */
export class SealedStore implements Store {
  readonly #machinery: Machinery;
  readonly #release: () => Promise<void>;
  readonly #active = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  #erasing: Promise<void> = Promise.resolve();
  #erased = -1;

  constructor(machinery: Machinery, release: () => Promise<void>) {
    this.#machinery = machinery;
    this.#release = release;
  }

  transact<T>(arena: Arena, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#track(() => runWork(this.#machinery, arena, work));
  }

  read<T>(arena: Arena, work: (view: View) => Promise<T>): Promise<T> {
    return this.#track(() => runWork(this.#machinery, arena, work));
  }

  dropPartition(room: Room, partition: number): Promise<number> {
    if (shapeOf(room).expires !== true) throw new TypeError(`${room} does not expire`);
    return this.#track(async () => {
      const { driver, sealing, writer } = this.#machinery;
      const prefix = sealing.partition(room, partition);
      const from = Buffer.concat([prefix, Buffer.alloc(KEY_LENGTH - prefix.length)]);
      const to = Buffer.concat([prefix, Buffer.alloc(KEY_LENGTH - prefix.length, 0xff)]);
      for (let dropped = 0; ;) {
        await writer.queue([], writer.generation); // durable: everything that was queued before
        const entries = await driver.range(from, to, DROP_AT_ONCE, DROP_BYTES);
        if (entries.length === 0) return dropped;
        const writes = entries.map(({ key }): Write => {
          return { ...locate(key), value: undefined, ordered: false, before: UNREAD };
        });
        await writer.queue(writes, writer.generation);
        dropped += entries.length;
      }
    });
  }

  erase(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new Fault("store/closed"));
    this.#erasing = this.#erasing.then(
      () => this.#turn(),
      () => this.#turn(),
    );
    return this.#erasing;
  }

  async #turn(): Promise<void> {
    const { turnKeys, writer } = this.#machinery;
    const quiet = async (): Promise<void> => void (await Promise.allSettled(this.#active));
    const whole = (): Promise<void> => turn(this.#machinery, quiet, () => this.#closing === undefined);
    // One that was interrupted began before what is to be erased now was written.
    if (turnKeys.ids.length > 1) await whole();
    const { changes } = writer;
    if (changes === this.#erased) return;
    await whole();
    this.#erased = changes;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled([...this.#active, this.#erasing]);
      await this.#machinery.writer.close();
      this.#machinery.sealing.destroy();
      await this.#release();
    })();
    return this.#closing;
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Fault("store/closed");
    const running = work();
    this.#active.add(running);
    try {
      return await running;
    } finally {
      this.#active.delete(running);
    }
  }
}
