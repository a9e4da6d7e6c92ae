// Stores in temporary directories, and a driver in memory whose commits a test can hold back or make fail.
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/fault.ts";
import { type Arena, ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import type { Entry, Operation, StoreDriver } from "../../src/store/driver.ts";
import { Journal } from "../../src/store/journal.ts";
import { Locks } from "../../src/store/locks.ts";
import { Sealing } from "../../src/store/sealing.ts";
import { SealedStore } from "../../src/store/sealed-store.ts";
import type { TurnKeys } from "../../src/store/turn-keys.ts";
import { Writer } from "../../src/store/writer.ts";

const pool = new ArenaPool([
  [16 << 10, 256],
  [1 << 20, 4],
]);

/** Runs `work` with an arena that is closed afterwards. */
export async function withArena<T>(work: (arena: Arena) => Promise<T>): Promise<T> {
  const arena = pool.arena();
  try {
    return await work(arena);
  } finally {
    arena.close();
  }
}

export const key = (byte = 7): GuardedKey => new GuardedKey(32, (memory) => memory.fill(byte));
export const bytes = (text: string): Buffer => Buffer.from(text);

/** A temporary directory, and its end. */
export function temporary(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "tacet-store-"));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

export const filesUnder = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: "utf8" })
    .map((file) => join(dir, file))
    .filter((file) => statSync(file).isFile())
    .toSorted();

/** Name, time of last change and digest of every file: equal before and after means untouched. */
export const picture = (dir: string): [string, number, string][] =>
  filesUnder(dir).map((file) => [
    file,
    statSync(file).mtimeMs,
    createHash("sha256").update(readFileSync(file)).digest("hex"),
  ]);

export class MemoryDriver implements StoreDriver {
  readonly records = new Map<string, Buffer>();
  commits = 0;
  /** Set: the next commit waits for it. */
  hold: Promise<void> | undefined;
  /** The next commit rejects; `after` keeps what it wrote. */
  fail: "before" | "after" | undefined;

  async commit(operations: readonly Operation[]): Promise<void> {
    await this.hold;
    await new Promise(setImmediate);
    const fail = this.fail;
    this.fail = undefined;
    if (fail === "before") throw new Fault("store/write");
    for (const { key: name, value } of operations) {
      if (value === undefined) this.records.delete(name.toString("hex"));
      else this.records.set(name.toString("hex"), Buffer.from(value));
    }
    this.commits++;
    if (fail === "after") throw new Fault("store/write");
  }

  async get(name: Uint8Array): Promise<Buffer | undefined> {
    return Promise.resolve(this.records.get(Buffer.from(name).toString("hex")));
  }

  async getMany(names: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    return Promise.all(names.map((name) => this.get(name)));
  }

  async range(from: Uint8Array, to: Uint8Array, limit: number, maxBytes = Infinity): Promise<Entry[]> {
    const found: Entry[] = [];
    let read = 0;
    for (const [hex, value] of [...this.records].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const name = Buffer.from(hex, "hex");
      if (Buffer.compare(name, from) < 0 || Buffer.compare(name, to) >= 0) continue;
      if (found.length >= limit || read >= maxBytes) break;
      found.push({ key: name, value });
      read += value.length;
    }
    return Promise.resolve(found);
  }

  async recover(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Turn keys without a file. */
export class MemoryTurnKeys implements TurnKeys {
  #made = 0;
  #live: { id: Buffer; key: Buffer }[] = [];

  constructor() {
    this.begin();
  }

  get ids(): readonly Buffer[] {
    return this.#live.map(({ id }) => id);
  }

  use<T>(work: (keys: Buffer) => T): T {
    return work(Buffer.concat(this.#live.map(({ key: bytes }) => bytes)));
  }

  begin(): void {
    const number = ++this.#made;
    this.#live.unshift({ id: Buffer.alloc(4, number), key: Buffer.alloc(32, number) });
  }

  drop(): void {
    this.#live.length = 1;
  }

  close(): void {}
}

/** A whole store over `driver`, without anchor and files. */
export function storeOver(driver: MemoryDriver, failed?: () => void): SealedStore {
  const id = Buffer.alloc(16, 1);
  const masterKey = key();
  const journal = new Journal(masterKey, id);
  const head = journal.empty();
  const { key: place, value } = journal.operation(head);
  driver.records.set(place.toString("hex"), value!);
  const turnKeys = new MemoryTurnKeys();
  const machinery = {
    driver,
    turnKeys,
    sealing: new Sealing(masterKey, id, turnKeys),
    writer: new Writer(driver, journal, { write: () => {} }, head, failed),
    locks: new Locks(),
  };
  return new SealedStore(machinery, () => driver.close());
}
