// What the files may show: hashed names, padded and sealed values. Nothing else passes from here to a driver.
import { openInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { derive } from "../crypto/derive.ts";
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { type Room, roomNames } from "./rooms.ts";

/** Physical keys are always this long, whatever they name. */
export const KEY_LENGTH = 24;
/** Ordered rooms: the part of the key that all records of one name share. */
export const PREFIX_LENGTH = 16;
/** The longest plaintext of a record. Padded, it fills the largest slab of an arena. */
export const MAX_VALUE_LENGTH = (1 << 20) - 4;
/** Sequence numbers are below this, so that sequence plus offset stays an exact integer. */
export const MAX_SEQUENCE = 2 ** 48;

const PARTITION = Buffer.of(0);
const NAME = Buffer.of(1);
const LENGTH_FIELD = 4;
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
export const sealedLength = (length: number): number => padme(LENGTH_FIELD + length) + SEAL_OVERHEAD;

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

// Where a room's keys lie: 32 bytes for names, 32 bytes for values.
const place = Object.fromEntries(roomNames.map((room, i) => [room, i * 64])) as Record<Room, number>;
/** Of one room's periods two or three are in use. */
const KNOWN_PARTITIONS = 16;

export class Sealing {
  readonly #keys: GuardedKey;
  readonly #partitions = new Map<Room, Map<number, Buffer>>();
  readonly #scratch = lockedAlloc(MAX_VALUE_LENGTH + LENGTH_FIELD);

  constructor(masterKey: GuardedKey, id: Uint8Array) {
    this.#keys = new GuardedKey(roomNames.length * 64, (slab) =>
      masterKey.use((master) => {
        for (const room of roomNames) {
          const at = place[room];
          subkey(slab.subarray(at, at + 32), "recordName", master, room, id);
          subkey(slab.subarray(at + 32, at + 64), "recordValue", master, room, id);
        }
      }),
    );
  }

  /** Opens the keys' pages once for all that `work` does. */
  together<T>(work: () => T): T {
    return this.#keys.use(work);
  }

  #use<T>(room: Room, part: 0 | 32, work: (key: Buffer) => T): T {
    const at = place[room] + part;
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
      const hash = this.#use(room, 0, (key) => derive(Buffer.alloc(16), "recordName", key, PARTITION, number));
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
      return this.#use(room, 0, (key) => derive(Buffer.alloc(KEY_LENGTH), "recordName", key, NAME, name));
    const prefix = this.partition(room, partition);
    const hash = this.#use(room, 0, (key) => derive(Buffer.alloc(16), "recordName", key, NAME, name));
    return Buffer.concat([prefix, hash], KEY_LENGTH);
  }

  row(room: Room, name: Uint8Array): Row {
    const hash = this.#use(room, 0, (key) => derive(Buffer.alloc(32), "sequenceOffset", key, name));
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

  /** nonce || ciphertext || tag of (u32 length || plain || zeros to the padded length), bound to `key`. */
  seal(room: Room, key: Buffer, plain: Uint8Array): Buffer {
    if (plain.length > MAX_VALUE_LENGTH) throw new RangeError("value length");
    const padded = this.#scratch.subarray(0, padme(LENGTH_FIELD + plain.length));
    try {
      padded.writeUInt32BE(plain.length);
      padded.set(plain, LENGTH_FIELD);
      const out = Buffer.allocUnsafe(padded.length + SEAL_OVERHEAD);
      return this.#use(room, 32, (secret) => sealInto(out, padded, key, secret));
    } finally {
      wipe(padded);
    }
  }

  /** The plaintext, in the arena. Fault `store/corrupt` when the record is not what was sealed under this key. */
  open(room: Room, key: Buffer, sealed: Buffer, arena: Arena): Buffer {
    if (sealed.length < SEAL_OVERHEAD + MIN_PADDED) throw new Fault("store/corrupt");
    const padded = arena.take(sealed.length - SEAL_OVERHEAD);
    try {
      this.#use(room, 32, (secret) => openInto(padded, sealed, key, secret));
    } catch {
      throw new Fault("store/corrupt");
    }
    const length = padded.readUInt32BE();
    if (length > padded.length - LENGTH_FIELD) throw new Fault("store/corrupt");
    return padded.subarray(LENGTH_FIELD, LENGTH_FIELD + length);
  }

  destroy(): void {
    this.#keys.destroy();
  }
}
