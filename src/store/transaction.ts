// Reads and writes of one piece of work: sees the database, what is queued behind it, and its own writes.
import type { Arena } from "../memory/arena.ts";
import type { StoreDriver } from "./driver.ts";
import { Layer, locate, type Location } from "./layer.ts";
import type { Locks } from "./locks.ts";
import { type Room, shapeOf } from "./rooms.ts";
import { MAX_SEQUENCE, type Row, sealedLength, type Sealing } from "./sealing.ts";
import type { Name, Place, Transaction } from "./store.ts";
import type { TurnKeys } from "./turn-keys.ts";
import { type Before, type Pending, UNREAD, type Write, type Writer } from "./writer.ts";

export interface Machinery {
  readonly driver: StoreDriver;
  readonly turnKeys: TurnKeys;
  readonly sealing: Sealing;
  readonly writer: Writer;
  readonly locks: Locks;
}

/** A read that has begun. `held`: under a lock, so that what it finds stays until this work writes it. */
interface Reading {
  readonly place: Location;
  readonly unwritten: Write | undefined;
  readonly held: boolean;
}

interface Sealed {
  readonly sequence: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

const KNOWN_PLACES = 4;
const CHUNK = 256;
const CHUNK_BYTES = 1 << 20;

export class Work implements Transaction {
  readonly #machinery: Machinery;
  readonly #arena: Arena;
  readonly #own = new Layer<Write>();
  readonly #erased: { row: Row; from: number; to: number }[] = [];
  readonly #held = new Set<string>();
  // What was read under a lock, sealed: nobody else writes it until this work has.
  readonly #read = new Map<string, Buffer | undefined>();
  // The names are copies in the arena: a caller may use its buffer again for another name.
  readonly #places: { name: Buffer; place: Place }[] = [];
  readonly #seen = new Set<Promise<void>>();
  readonly #generation: number;
  #rank = -1;
  #over = false;

  constructor(machinery: Machinery, arena: Arena) {
    this.#machinery = machinery;
    this.#arena = arena;
    this.#generation = machinery.writer.generation;
  }

  async lock(room: Room, ...names: Name[]): Promise<void> {
    this.#expect(room);
    const { locks } = this.#machinery;
    const keys = this.#placesOf(room, names).map(({ text }) => text);
    const missing = [...new Set(keys)].filter((key) => !this.#held.has(key)).sort();
    if (missing.length === 0) return;
    const { rank } = shapeOf(room);
    if (rank <= this.#rank) throw new RangeError(`lock of ${room} after a lock of the same or a higher rank`);
    this.#rank = rank;
    for (const key of missing) {
      if (!locks.tryAcquire(key)) await locks.acquire(key);
      this.#held.add(key);
    }
  }

  places(room: Room, names: readonly Uint8Array[]): Place[] {
    this.#expect(room, "point");
    const { sealing } = this.#machinery;
    return sealing.together(() => names.map((name) => ({ room, ...locate(sealing.point(room, name, undefined)) })));
  }

  together<T>(work: () => T): T {
    return this.#machinery.sealing.together(work);
  }

  async get(room: Room, name: Name, options?: { partition?: number }): Promise<Buffer | undefined> {
    const place = this.#point(room, name, options);
    const reading = this.#begin(place);
    const sealed = reading.unwritten === undefined ? await this.#machinery.driver.get(place.key) : undefined;
    return this.#opened(room, reading, sealed);
  }

  async getMany(room: Room, names: readonly Name[]): Promise<(Buffer | undefined)[]> {
    this.#expect(room, "point");
    if (shapeOf(room).expires === true) throw new TypeError(`partition of ${room}`);
    const readings = this.#placesOf(room, names).map((place) => this.#begin(place));
    const missing = readings.filter(({ unwritten }) => unwritten === undefined);
    const stored = await this.#machinery.driver.getMany(missing.map(({ place }) => place.key));
    let next = 0;
    return this.together(() =>
      readings.map((reading) =>
        this.#opened(room, reading, reading.unwritten === undefined ? stored[next++] : undefined),
      ),
    );
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

  put(room: Room, name: Name, value: Uint8Array, options?: { partition?: number }): void {
    const { sealing } = this.#machinery;
    sealing.together(() => {
      const place = this.#point(room, name, options);
      this.#write(place, sealing.seal(room, place.key, value));
    });
  }

  putAt(room: Room, name: Uint8Array, sequence: number, value: Uint8Array): void {
    this.#writeAt(room, name, sequence, value, UNREAD);
  }

  append(room: Room, name: Uint8Array, sequence: number, value: Uint8Array): void {
    this.#writeAt(room, name, sequence, value, undefined);
  }

  #writeAt(room: Room, name: Uint8Array, sequence: number, plain: Uint8Array, before: Before): void {
    this.#expect(room, "ordered");
    if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence >= MAX_SEQUENCE) throw new RangeError("sequence");
    const { sealing } = this.#machinery;
    sealing.together(() => {
      const { key, text } = locate(sealing.at(sealing.row(room, name), sequence));
      this.#own.set({ key, text, value: sealing.seal(room, key, plain), ordered: true, before });
    });
  }

  delete(room: Room, name: Name, options?: { partition?: number }): void {
    this.#write(this.#point(room, name, options), undefined);
  }

  #write({ key, text }: Location, value: Buffer | undefined): void {
    const before = this.#read.has(text) ? this.#read.get(text) : UNREAD;
    this.#own.set({ key, text, value, ordered: false, before });
  }

  deleteRange(room: Room, name: Uint8Array, from: number, to: number): void {
    this.#expect(room, "ordered");
    const row = this.#machinery.sealing.row(room, name);
    const bounds = [this.#machinery.sealing.at(row, from), this.#machinery.sealing.at(row, to)] as const;
    for (const entry of this.#own.within(...bounds)) this.#own.set({ ...entry, value: undefined });
    this.#erased.push({ row, from, to });
  }

  /** The writes, in full: ranges to delete become the records that are in them. */
  async writes(): Promise<Write[]> {
    for (const { row, from, to } of this.#erased.splice(0)) {
      for await (const found of this.#row(row, from, to, Infinity)) {
        const { key, text } = locate(found.key);
        if (this.#own.get(text) === undefined)
          this.#own.set({ key, text, value: undefined, ordered: true, before: UNREAD });
      }
    }
    return this.#own.all();
  }

  /**
   * Queues what `writes` gave. In one turn with the look at the locks: whoever holds a name relies on what it reads
   * there. Undefined when there is nothing to write.
   */
  queue(writes: readonly Write[]): Promise<void> | undefined {
    if (writes.length === 0) return undefined;
    const { locks, writer } = this.#machinery;
    for (const { text } of writes)
      if (!this.#held.has(text) && locks.isHeld(text)) throw new RangeError("write of a name that another holds");
    return writer.queue(writes, this.#generation);
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

  #point(room: Room, name: Name, options: { partition?: number } | undefined): Location {
    this.#expect(room, "point");
    const partition = options?.partition;
    if ((partition !== undefined) !== (shapeOf(room).expires === true)) throw new TypeError(`partition of ${room}`);
    if (partition === undefined) return this.#placeOf(room, name);
    if (!(name instanceof Uint8Array)) throw new TypeError(`place in ${room}`);
    return locate(this.#machinery.sealing.point(room, name, partition));
  }

  // Opens the keys once, and not at all for places.
  #placesOf(room: Room, names: readonly Name[]): Place[] {
    const find = (): Place[] => names.map((name) => this.#placeOf(room, name));
    return names.some((name) => name instanceof Uint8Array) ? this.together(find) : find();
  }

  // Most names are locked, read and written one after the other: their key is made once.
  #placeOf(room: Room, name: Name): Place {
    if (!(name instanceof Uint8Array)) {
      if (name.room !== room) throw new TypeError(`place in ${room}`);
      return name;
    }
    for (const { name: known, place } of this.#places) if (place.room === room && known.equals(name)) return place;
    const place = { room, ...locate(this.#machinery.sealing.point(room, name, undefined)) };
    const oldest = this.#places.length < KNOWN_PLACES ? undefined : this.#places.shift()?.name;
    const copy = oldest?.length === name.length ? oldest : this.#arena.take(name.length);
    copy.set(name);
    this.#places.push({ name: copy, place });
    return place;
  }

  #begin(place: Location): Reading {
    const { text } = place;
    const own = this.#own.get(text);
    const unwritten = own ?? this.#pending(this.#machinery.writer.pending.get(text));
    return { place, unwritten, held: own === undefined && this.#held.has(text) };
  }

  #opened(room: Room, { place, unwritten, held }: Reading, stored: Buffer | undefined): Buffer | undefined {
    const sealed = unwritten === undefined ? stored : unwritten.value;
    if (held) this.#read.set(place.text, sealed);
    return sealed === undefined ? undefined : this.#machinery.sealing.open(room, place.key, sealed, this.#arena);
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
    let durable: Promise<void> | undefined;
    try {
      result = await work(tx);
      durable = tx.queue(await tx.writes());
    } catch (error) {
      // A refusal is an answer too: it must not rest on something that never became durable.
      tx.end();
      await tx.settled();
      throw error;
    }
    tx.end();
    await (durable ?? tx.settled());
    return result;
  } finally {
    tx.end();
  }
}
