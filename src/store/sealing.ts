// What the files may show: hashed names, padded and sealed values. Nothing else passes from here to a driver.
import { openInto, sealAgainInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { derive } from "../crypto/derive.ts";
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { KEY_LENGTH } from "./driver.ts";
import { type Room, roomNames, shapeOf } from "./rooms.ts";
import { TURN_ID_LENGTH, TURN_KEY_LENGTH, type TurnKeys } from "./turn-keys.ts";

/** Ordered rooms: the part of the key that all records of one name share. */
export const PREFIX_LENGTH = 16;
/** The longest plaintext of a record. Padded, it fills the largest slab of an arena. */
export const MAX_VALUE_LENGTH = (1 << 20) - 4;
/** Sequence numbers are below this, so that sequence plus offset stays an exact integer. */
export const MAX_SEQUENCE = 2 ** 48;

const PARTITION = Buffer.of(0);
const NAME = Buffer.of(1);
const HEADER = 4; // u8 the room's number || u24 length
const MIN_PADDED = 64;

/** Padmé (Nikitin et al., PETS 2019): a length keeps only as many bits as its exponent has, so at most 12 % are added. */
export function padme(length: number): number {
  if (length <= MIN_PADDED) return MIN_PADDED;
  const exponent = 31 - Math.clz32(length);
  const kept = 32 - Math.clz32(exponent);
  const step = 2 ** (exponent - kept);
  return Math.ceil(length / step) * step;
}

/** The bytes of a sealed record with `length` bytes of plaintext. */
export const sealedLength = (length: number): number => TURN_ID_LENGTH + padme(HEADER + length) + SEAL_OVERHEAD;

/** A 32-byte key for `label` in the database with this `id`; `out` must be locked memory. */
export function subkey(
  out: Buffer,
  purpose: "recordName" | "recordValue" | "recordChain",
  master: Buffer,
  label: string,
  id: Uint8Array,
): void {
  derive(out, purpose, master, Buffer.from(label), id);
}

/** The position of all records of a name in an ordered room. */
export interface Row {
  readonly prefix: Buffer;
  /** Random-looking 48-bit start, so that a row does not show how many records it has had. */
  readonly offset: number;
}

// Where the keys lie: 32 bytes for the names of each room, 32 from which those of the values are made, and these, the
// newest first: one a turn key, for all rooms, so that records can be moved to the next whosever they are.
const place = Object.fromEntries(roomNames.map((room, i) => [room, i * 32])) as Record<Room, number>;
const VALUES = roomNames.length * 32;
const TURNS = VALUES + 32;
const SLAB = TURNS + 2 * 32;
const valueKey = (slab: Buffer, index: number): Buffer => slab.subarray(TURNS + index * 32, TURNS + (index + 1) * 32);
const turnOf = (record: Buffer): number => (record.length < TURN_ID_LENGTH ? -1 : record.readUInt32BE());
const paddedLength = (record: Buffer): number => record.length - TURN_ID_LENGTH - SEAL_OVERHEAD;

/** `key` (locked memory) = what seals values under the turn key at `index`. */
const makeValueKey = (key: Buffer, slab: Buffer, turnKeys: Pick<TurnKeys, "use">, index: number): Buffer =>
  turnKeys.use((keys) => {
    const turnKey = keys.subarray(index * TURN_KEY_LENGTH, (index + 1) * TURN_KEY_LENGTH);
    return derive(key, "recordTurn", slab.subarray(VALUES, TURNS), turnKey);
  });

/** Of one room's periods two or three are in use. */
const KNOWN_PARTITIONS = 16;

export class Sealing {
  #keys: GuardedKey;
  readonly #turnKeys: Pick<TurnKeys, "ids" | "use">;
  #turnIds: readonly number[] = [];
  readonly #partitions = new Map<Room, Map<number, Buffer>>();
  readonly #scratch = lockedAlloc(MAX_VALUE_LENGTH + HEADER);

  constructor(masterKey: GuardedKey, id: Uint8Array, turnKeys: Pick<TurnKeys, "ids" | "use">) {
    this.#turnKeys = turnKeys;
    this.#keys = new GuardedKey(SLAB, (slab) =>
      masterKey.use((master) => {
        for (const room of roomNames) {
          const at = place[room];
          subkey(slab.subarray(at, at + 32), "recordName", master, room, id);
        }
        subkey(slab.subarray(VALUES, TURNS), "recordValue", master, "records", id);
      }),
    );
    this.turn();
  }

  /** Takes the turn keys as they are now: the newest seals from here on, and those that are gone open no more. */
  turn(): void {
    const old = this.#keys;
    this.#turnIds = this.#turnKeys.ids.map((id) => id.readUInt32BE());
    this.#keys = new GuardedKey(SLAB, (slab) => {
      old.use((keys) => slab.set(keys.subarray(0, TURNS)));
      this.#turnIds.forEach((_, index) => makeValueKey(valueKey(slab, index), slab, this.#turnKeys, index));
    });
    old.destroy();
  }

  /** Opens the keys' pages once for all that `work` does. */
  together<T>(work: () => T): T {
    return this.#keys.use(work);
  }

  #use<T>(room: Room, work: (key: Buffer) => T): T {
    const at = place[room];
    return this.#keys.use((slab) => work(slab.subarray(at, at + 32)));
  }

  /** The first 8 bytes of every key that a partition of a point room has. */
  partition(room: Room, partition: number): Buffer {
    let known = this.#partitions.get(room);
    if (known === undefined) this.#partitions.set(room, (known = new Map()));
    let prefix = known.get(partition);
    if (prefix === undefined) {
      const number = Buffer.alloc(8);
      number.writeUInt32BE(Math.floor(partition / 2 ** 32));
      number.writeUInt32BE(partition % 2 ** 32, 4);
      const hash = this.#use(room, (key) => derive(Buffer.alloc(16), "recordName", key, PARTITION, number));
      prefix = hash.subarray(0, 8);
      if (known.size === KNOWN_PARTITIONS) known.clear();
      known.set(partition, prefix);
    }
    return prefix;
  }

  /** The key of a point record. */
  point(room: Room, name: Uint8Array, partition: number | undefined): Buffer {
    // Where nothing is dropped by its partition no two keys share a part: that would count the records of a room.
    if (partition === undefined)
      return this.#use(room, (key) => derive(Buffer.alloc(KEY_LENGTH), "recordName", key, NAME, name));
    const prefix = this.partition(room, partition);
    const hash = this.#use(room, (key) => derive(Buffer.alloc(16), "recordName", key, NAME, name));
    return Buffer.concat([prefix, hash], KEY_LENGTH);
  }

  row(room: Room, name: Uint8Array): Row {
    const hash = this.#use(room, (key) => derive(Buffer.alloc(32), "sequenceOffset", key, name));
    return { prefix: hash.subarray(0, PREFIX_LENGTH), offset: hash.readUIntBE(PREFIX_LENGTH, 6) };
  }

  /** The key of a sequence number in a row; numbers at or above MAX_SEQUENCE mean its end. */
  at(row: Row, sequence: number): Buffer {
    const place = row.offset + Math.min(sequence, MAX_SEQUENCE);
    const key = Buffer.alloc(KEY_LENGTH);
    key.set(row.prefix);
    key.writeUInt32BE(Math.floor(place / 2 ** 32), PREFIX_LENGTH);
    key.writeUInt32BE(place % 2 ** 32, PREFIX_LENGTH + 4);
    return key;
  }

  sequence(row: Row, key: Buffer): number {
    return key.readUInt32BE(PREFIX_LENGTH) * 2 ** 32 + key.readUInt32BE(PREFIX_LENGTH + 4) - row.offset;
  }

  /**
   * Id of the turn key (4), then nonce || ciphertext || tag of (the room's number || u24 length || plain || zeros to the
   * padded length), bound to `key`.
   */
  seal(room: Room, key: Buffer, plain: Uint8Array): Buffer {
    if (plain.length > MAX_VALUE_LENGTH) throw new RangeError("value length");
    const padded = this.#scratch.subarray(0, padme(HEADER + plain.length));
    try {
      padded[0] = shapeOf(room).rank;
      padded.writeUIntBE(plain.length, 1, 3);
      padded.set(plain, HEADER);
      const out = Buffer.allocUnsafe(TURN_ID_LENGTH + padded.length + SEAL_OVERHEAD);
      out.writeUInt32BE(this.#turnIds[0]!);
      this.#keys.use((slab) => sealInto(out.subarray(TURN_ID_LENGTH), padded, key, valueKey(slab, 0)));
      return out;
    } finally {
      wipe(padded);
    }
  }

  /** The plaintext, in the arena. Fault `store/corrupt` when the record is not what was sealed in this room at this key. */
  open(room: Room, key: Buffer, record: Buffer, arena: Arena): Buffer {
    const { number, plain } = this.#opened(key, record, arena);
    if (number !== shapeOf(room).rank) throw new Fault("store/corrupt");
    return plain;
  }

  /** As `open`, for who does not know the room. */
  openAny(key: Buffer, record: Buffer, arena: Arena): { room: Room; plain: Buffer } {
    const { number, plain } = this.#opened(key, record, arena);
    const room = roomNames.find((name) => shapeOf(name).rank === number);
    if (room === undefined) throw new Fault("store/corrupt");
    return { room, plain };
  }

  #opened(key: Buffer, record: Buffer, arena: Arena): { number: number; plain: Buffer } {
    const padded = arena.take(Math.max(paddedLength(record), MIN_PADDED));
    this.#openInto(padded, key, record);
    const number = padded[0]!;
    const length = padded.readUIntBE(1, 3);
    if (length > padded.length - HEADER) throw new Fault("store/corrupt");
    return { number, plain: padded.subarray(HEADER, HEADER + length) };
  }

  #openInto(padded: Buffer, key: Buffer, record: Buffer): void {
    try {
      const index = this.#turnIds.indexOf(turnOf(record));
      if (index < 0) throw new Fault("store/corrupt");
      this.#keys.use((slab) => openInto(padded, record.subarray(TURN_ID_LENGTH), key, valueKey(slab, index)));
    } catch {
      throw new Fault("store/corrupt");
    }
  }

  /** Whether the turn key of this record is live. */
  opens(record: Buffer): boolean {
    return this.#turnIds.includes(turnOf(record));
  }

  /**
   * The record sealed under the newest turn key, or undefined when it is that already. Its nonce stays, which tells
   * this seal of this record from all others. Fault `store/corrupt`.
   */
  move(key: Buffer, record: Buffer): Buffer | undefined {
    const newest = this.#turnIds[0]!;
    if (turnOf(record) === newest) return undefined;
    return this.#moved(key, record, newest, (work) => this.#keys.use((slab) => work(valueKey(slab, 0))));
  }

  /** The record sealed for another store of the same master key and id, which has these turn keys. */
  moveTo(other: Sealing, key: Buffer, record: Buffer): Buffer {
    return this.#moved(key, record, other.#turnIds[0]!, (work) => other.#keys.use((slab) => work(valueKey(slab, 0))));
  }

  #moved(key: Buffer, record: Buffer, turn: number, use: (work: (to: Buffer) => Buffer) => Buffer): Buffer {
    const padded = this.#scratch.subarray(0, Math.max(paddedLength(record), 0));
    try {
      this.#openInto(padded, key, record);
      const moved = Buffer.from(record);
      moved.writeUInt32BE(turn);
      use((to) => sealAgainInto(moved.subarray(TURN_ID_LENGTH), padded, key, to));
      return moved;
    } finally {
      wipe(padded);
    }
  }

  destroy(): void {
    this.#keys.destroy();
  }
}
