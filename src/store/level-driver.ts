// LevelDB as a driver: synced batches, a free-space reserve, close-and-reopen after a failed write, never a repair.
import { statfsSync } from "node:fs";
import { Level } from "level";
import { Fault, type FaultCode } from "../fault.ts";
import { type Entry, KEY_LENGTH, type Operation, type StoreDriver } from "./driver.ts";

/** Free bytes below which nothing is written: LevelDB needs room to compact, and a log torn by a full disk loses records. */
export const DEFAULT_RESERVE = 64 << 20;

// Entries, and bytes, of one step of a range.
const READ_AHEAD = 256;
const READ_AHEAD_BYTES = 256 << 10;

// A point read that finds its block in memory takes about ten microseconds; sending it to another thread costs the one
// that all requests share several times that. So it is made in place, as long as reads are fast: one that took longer
// than SLOW_READ has waited for the disk, and for PATIENCE after it reads wait in the thread pool, where they hold up
// nobody. A disk that is always slow thus stops the house for one read in each PATIENCE. Milliseconds.
const SLOW_READ = 2;
const PATIENCE = 250;
/** More keys than this are worth another thread. */
const READS_AT_ONCE = 16;

export interface LevelDriverOptions {
  /** The LevelDB directory. */
  readonly dir: string;
  /** True only at installation; then the directory must hold no database. */
  readonly create?: boolean;
  readonly reserveBytes?: number;
  /** Told when the database was opened anew after a failed write. */
  readonly reopened?: () => void;
  /** Milliseconds that only ever rise, for measuring reads; nothing is decided by the time of day. */
  readonly stopwatch?: () => number;
}

/** Faults: `store/locked`, `store/exists`, `store/corrupt`, `server/full`. */
export async function openLevel(options: LevelDriverOptions): Promise<LevelDriver> {
  // oxlint-disable-next-line no-restricted-globals -- a stopwatch, not a clock
  const { dir, create = false, reserveBytes = DEFAULT_RESERVE, stopwatch = () => performance.now() } = options;
  const driver = new LevelDriver(dir, reserveBytes, stopwatch, options.reopened);
  await driver.open(create);
  return driver;
}

export class LevelDriver implements StoreDriver {
  readonly #dir: string;
  readonly #reserve: number;
  readonly #stopwatch: () => number;
  readonly #reopened: (() => void) | undefined;
  #database: Level<Buffer, Buffer> | undefined;
  #torn = false;
  #closed = false;
  // Reads wait while the database is closed for reopening, and reopening waits for reads that are under way.
  #gate: Promise<void> | undefined;
  #readers = 0;
  #idle: (() => void) | undefined;
  #patientUntil = -Infinity;

  constructor(dir: string, reserve: number, stopwatch: () => number, reopened: (() => void) | undefined) {
    this.#dir = dir;
    this.#reserve = reserve;
    this.#stopwatch = stopwatch;
    this.#reopened = reopened;
  }

  /** Called once by `openLevel`, and again by `recover`. */
  async open(create: boolean): Promise<void> {
    const database = new Level<Buffer, Buffer>(this.#dir, {
      keyEncoding: "buffer",
      valueEncoding: "buffer",
      compression: false,
      writeBufferSize: 16 << 20,
      createIfMissing: create,
      errorIfExists: create,
    });
    try {
      await database.open();
    } catch (error) {
      throw new Fault(this.#openFault(error, create));
    }
    this.#database = database;
  }

  #openFault(error: unknown, create: boolean): FaultCode {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    if (cause?.code === "LEVEL_LOCKED") return "store/locked";
    if (create && cause?.message?.includes("exists") === true) return "store/exists";
    if (this.#free() < Math.max(this.#reserve, 1 << 20)) return "server/full";
    // While reopening, a disk that does not obey is no proof of damage: the next commit tries again.
    return this.#torn && cause?.code !== "LEVEL_CORRUPTION" ? "store/write" : "store/corrupt";
  }

  #free(): number {
    const { bavail, bsize } = statfsSync(this.#dir);
    return bavail * bsize;
  }

  async commit(operations: readonly Operation[]): Promise<void> {
    if (this.#closed || this.#database === undefined) throw new Fault("store/closed");
    if (this.#torn) throw new Fault("store/write");
    if (this.#free() < this.#reserve) throw new Fault("server/full");
    const batch = this.#database.batch();
    for (const { key, value } of operations) {
      if (value === undefined) batch.del(key);
      else batch.put(key, value);
    }
    try {
      await batch.write({ sync: true });
    } catch {
      // The log may end in half a record: whatever is appended behind it is lost at the next recovery.
      this.#torn = true;
      throw new Fault("store/write");
    }
  }

  async recover(): Promise<void> {
    if (this.#closed) throw new Fault("store/closed");
    if (!this.#torn) return;
    if (this.#free() < this.#reserve) throw new Fault("server/full");
    let done = (): void => {};
    this.#gate ??= new Promise((resolve) => (done = resolve));
    try {
      if (this.#readers > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
      const old = this.#database;
      this.#database = undefined;
      await old?.close();
      await this.open(false);
      this.#torn = false;
      this.#reopened?.();
    } finally {
      this.#gate = undefined;
      done();
    }
  }

  async #read<T>(work: (database: Level<Buffer, Buffer>) => Promise<T>): Promise<T> {
    while (this.#gate !== undefined) await this.#gate;
    const database = this.#opened();
    this.#readers++;
    try {
      return await work(database);
    } finally {
      if (--this.#readers === 0) this.#idle?.();
    }
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    return (await this.getMany([key as Buffer]))[0];
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    if (this.#gate === undefined && keys.length <= READS_AT_ONCE) {
      const found: (Buffer | undefined)[] = [];
      while (found.length < keys.length && this.#stopwatch() >= this.#patientUntil)
        found.push(this.#readInPlace(keys[found.length]!));
      if (found.length === keys.length) return found;
    }
    return this.#read((database) => database.getMany(keys as Buffer[]));
  }

  #readInPlace(key: Buffer): Buffer | undefined {
    const began = this.#stopwatch();
    const value = this.#opened().getSync(key);
    const ended = this.#stopwatch();
    if (ended - began > SLOW_READ) this.#patientUntil = ended + PATIENCE;
    return value;
  }

  #opened(): Level<Buffer, Buffer> {
    if (this.#closed) throw new Fault("store/closed");
    if (this.#database === undefined) throw new Fault("store/write");
    return this.#database;
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, maxBytes = Infinity): Promise<Entry[]> {
    return this.#read(async (database) => {
      const found: Entry[] = [];
      if (limit <= 0 || Buffer.compare(from, to) >= 0) return found;
      // LevelDB copies whatever is read ahead: no more than is asked for, which it counts with the keys.
      const highWaterMarkBytes = Math.min(READ_AHEAD_BYTES, maxBytes + READ_AHEAD * KEY_LENGTH);
      const iterator = database.iterator({ gte: from as Buffer, lt: to as Buffer, limit, highWaterMarkBytes });
      try {
        for (let bytes = 0; bytes < maxBytes;) {
          const entries = await iterator.nextv(READ_AHEAD);
          if (entries.length === 0) break;
          for (const [key, value] of entries) {
            found.push({ key, value });
            bytes += value.length;
          }
        }
      } finally {
        await iterator.close();
      }
      return found;
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    while (this.#gate !== undefined) await this.#gate;
    this.#closed = true;
    await this.#database?.close();
  }
}
