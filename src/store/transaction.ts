// Reads and writes of one piece of work: sees the database, what is queued behind it, and its own writes.
import type { Arena } from "../memory/arena.ts";
import type { Operation, StoreDriver } from "./driver.ts";
import { Layer, type Unwritten } from "./layer.ts";
import type { Locks } from "./locks.ts";
import { type Room, shapeOf } from "./rooms.ts";
import { MAX_SEQUENCE, type Row, sealedLength, type Sealing } from "./sealing.ts";
import type { Transaction } from "./store.ts";
import type { Pending, Writer } from "./writer.ts";

export interface Machinery {
  readonly driver: StoreDriver;
  readonly sealing: Sealing;
  readonly writer: Writer;
  readonly locks: Locks;
}

interface Sealed {
  readonly sequence: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

const KNOWN_KEYS = 4;
const CHUNK = 256;
const CHUNK_BYTES = 1 << 20;

export class Work implements Transaction {
  readonly #machinery: Machinery;
  readonly #arena: Arena;
  readonly #own = new Layer<Unwritten>();
  readonly #erased: { row: Row; from: number; to: number }[] = [];
  readonly #held = new Set<string>();
  // The names are copies in the arena: a caller may use its buffer again for another name.
  readonly #keys: { room: Room; name: Buffer; key: Buffer }[] = [];
  readonly #seen = new Set<Promise<void>>();
  readonly generation: number;
  #rank = -1;
  #over = false;

  constructor(machinery: Machinery, arena: Arena) {
    this.#machinery = machinery;
    this.#arena = arena;
    this.generation = machinery.writer.generation;
  }

  async lock(room: Room, ...names: Uint8Array[]): Promise<void> {
    this.#expect(room);
    const { sealing } = this.#machinery;
    const keys = sealing.together(() => names.map((name) => room + this.#keyOf(room, name).toString("latin1")));
    const missing = [...new Set(keys)].filter((key) => !this.#held.has(key)).sort();
    if (missing.length === 0) return;
    const { rank } = shapeOf(room);
    if (rank <= this.#rank) throw new RangeError(`lock of ${room} after a lock of the same or a higher rank`);
    this.#rank = rank;
    for (const key of missing) {
      await this.#machinery.locks.acquire(key);
      this.#held.add(key);
    }
  }

  async get(room: Room, name: Uint8Array, options?: { partition?: number }): Promise<Buffer | undefined> {
    const key = this.#point(room, name, options);
    const unwritten = this.#own.get(key) ?? this.#pending(this.#machinery.writer.pending.get(key));
    const sealed = unwritten === undefined ? await this.#machinery.driver.get(key) : unwritten.value;
    return sealed === undefined ? undefined : this.#machinery.sealing.open(room, key, sealed, this.#arena);
  }

  async range(room: Room, name: Uint8Array, from: number, to: number, limit: number, maxBytes = Infinity) {
    this.#expect(room, "ordered");
    const row = this.#machinery.sealing.row(room, name);
    const found: { sequence: number; value: Buffer }[] = [];
    const sealed = sealedLength(Math.min(maxBytes, CHUNK_BYTES));
    let bytes = 0;
    for await (const { sequence, key, value } of this.#row(row, from, to, limit, sealed)) {
      if (found.length >= limit) break;
      const plain = this.#machinery.sealing.open(room, key, value, this.#arena);
      bytes += plain.length;
      if (bytes > maxBytes) break;
      found.push({ sequence, value: plain });
    }
    return found;
  }

  put(room: Room, name: Uint8Array, value: Uint8Array, options?: { partition?: number }): void {
    const { sealing } = this.#machinery;
    sealing.together(() => {
      const key = this.#point(room, name, options);
      this.#own.set({ key, value: sealing.seal(room, key, value) });
    });
  }

  putAt(room: Room, name: Uint8Array, sequence: number, value: Uint8Array): void {
    this.#expect(room, "ordered");
    if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence >= MAX_SEQUENCE) throw new RangeError("sequence");
    const { sealing } = this.#machinery;
    sealing.together(() => {
      const key = sealing.at(sealing.row(room, name), sequence);
      this.#own.set({ key, value: sealing.seal(room, key, value) });
    });
  }

  delete(room: Room, name: Uint8Array, options?: { partition?: number }): void {
    this.#own.set({ key: this.#point(room, name, options), value: undefined });
  }

  deleteRange(room: Room, name: Uint8Array, from: number, to: number): void {
    this.#expect(room, "ordered");
    const row = this.#machinery.sealing.row(room, name);
    const bounds = [this.#machinery.sealing.at(row, from), this.#machinery.sealing.at(row, to)] as const;
    for (const { key } of this.#own.within(...bounds)) this.#own.set({ key, value: undefined });
    this.#erased.push({ row, from, to });
  }

  /** The writes, in full: ranges to delete become the records that are in them. */
  async operations(): Promise<Operation[]> {
    for (const { row, from, to } of this.#erased.splice(0))
      for await (const { key } of this.#row(row, from, to, Infinity))
        if (this.#own.get(key) === undefined) this.#own.set({ key, value: undefined });
    return this.#own.all();
  }

  /** Lets others at the names this one held. No call may follow. */
  end(): void {
    this.#over = true;
    for (const key of this.#held) this.#machinery.locks.release(key);
    this.#held.clear();
  }

  /** Resolves when everything this work has read is durable. Fault when it never will be. */
  async settled(): Promise<void> {
    await Promise.all(this.#seen);
  }

  #expect(room: Room, kind?: "point" | "ordered"): void {
    if (this.#over) throw new Error("transaction is over");
    if (kind !== undefined && shapeOf(room).kind !== kind) throw new TypeError(`${room} is not ${kind}`);
  }

  #point(room: Room, name: Uint8Array, options: { partition?: number } | undefined): Buffer {
    this.#expect(room, "point");
    const partition = options?.partition;
    if ((partition !== undefined) !== (shapeOf(room).expires === true)) throw new TypeError(`partition of ${room}`);
    return partition === undefined ? this.#keyOf(room, name) : this.#machinery.sealing.point(room, name, partition);
  }

  // Most names are locked, read and written one after the other: their key is made once.
  #keyOf(room: Room, name: Uint8Array): Buffer {
    for (const known of this.#keys) if (known.room === room && known.name.equals(name)) return known.key;
    const key = this.#machinery.sealing.point(room, name, undefined);
    const oldest = this.#keys.length < KNOWN_KEYS ? undefined : this.#keys.shift()?.name;
    const copy = oldest?.length === name.length ? oldest : this.#arena.take(name.length);
    copy.set(name);
    this.#keys.push({ room, name: copy, key });
    return key;
  }

  #pending(entry: Pending | undefined): Pending | undefined {
    if (entry !== undefined) this.#seen.add(entry.durable);
    return entry;
  }

  // In order, the records of a row as this work sees them. `limit` and `bytes` are hints that keep small reads small.
  async *#row(row: Row, from: number, to: number, limit: number, bytes = CHUNK_BYTES): AsyncGenerator<Sealed> {
    const { driver, sealing, writer } = this.#machinery;
    const end = Math.min(to, MAX_SEQUENCE);
    for (let next = Math.max(from, 0); next < end;) {
      const bounds = [sealing.at(row, next), sealing.at(row, end)] as const;
      // Looked up in the same turn as the read begins: what leaves the queue later is in the database by then.
      const pending = writer.pending.within(...bounds);
      const most = Math.min(limit + pending.length, CHUNK);
      const mostBytes = Math.min(bytes, CHUNK_BYTES);
      const stored = await driver.range(...bounds, most, mostBytes);
      const length = stored.reduce((sum, { value }) => sum + value.length, 0);
      const last = stored.at(-1);
      const stop =
        last !== undefined && (stored.length >= most || length >= mostBytes)
          ? sealing.sequence(row, last.key) + 1
          : end;

      const merged = new Map<number, { key: Buffer; value: Buffer | undefined }>();
      for (const entry of stored) merged.set(sealing.sequence(row, entry.key), entry);
      for (const entry of pending) {
        const sequence = sealing.sequence(row, entry.key);
        if (sequence < stop) merged.set(sequence, this.#pending(entry)!);
      }
      for (const erased of this.#erased)
        if (erased.row.prefix.equals(row.prefix))
          for (const sequence of merged.keys())
            if (sequence >= erased.from && sequence < erased.to) merged.delete(sequence);
      for (const entry of this.#own.within(sealing.at(row, next), sealing.at(row, stop)))
        merged.set(sealing.sequence(row, entry.key), entry);

      for (const [sequence, { key, value }] of [...merged].sort(([a], [b]) => a - b))
        if (value !== undefined) yield { sequence, key, value };
      next = stop;
    }
  }
}

/** Runs `work` to its durable end. A read-only view is the same thing seen through a narrower type. */
export async function runWork<T>(
  machinery: Machinery,
  arena: Arena,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const tx = new Work(machinery, arena);
  try {
    let result: T;
    let operations: Operation[];
    try {
      result = await work(tx);
      operations = await tx.operations();
    } catch (error) {
      // A refusal is an answer too: it must not rest on something that never became durable.
      tx.end();
      await tx.settled();
      throw error;
    }
    if (operations.length === 0) {
      tx.end();
      await tx.settled();
      return result;
    }
    const durable = machinery.writer.queue(operations, tx.generation);
    tx.end();
    await durable;
    return result;
  } finally {
    tx.end();
  }
}
