// A map from ids to numbers that leaves no id in the V8 heap: ids sit in one locked slab, the JS map sees keyed hashes.
import sodium from "sodium-native";
import { Fault } from "../fault.ts";
import { equal, lockedAlloc, wipe } from "./locked.ts";

const FREE = -1;

const wordAt = (id: Uint8Array, at: number): number =>
  (id[at]! | (id[at + 1]! << 8) | (id[at + 2]! << 16) | (id[at + 3]! << 24)) >>> 0;

/**
 * Fixed capacity; ids of exactly `idLength` bytes; values are non-negative safe integers. `random`: the ids are keyed
 * digests already, of which 52 bits may stand in the heap while they are held.
 */
export class SecureMap {
  readonly #idLength: number;
  readonly #random: boolean;
  readonly #slab: Buffer;
  readonly #values: Float64Array;
  // What the index knows each entry by: hashes, as there.
  readonly #hashes: Float64Array;
  readonly #free: number[];
  readonly #index = new Map<number, number[]>();
  readonly #key = lockedAlloc(32);
  readonly #hash = lockedAlloc(32);
  readonly #dummy: Buffer;

  constructor(idLength: number, capacity: number, { random = false } = {}) {
    this.#random = random;
    this.#idLength = idLength;
    this.#slab = lockedAlloc(idLength * capacity);
    this.#values = new Float64Array(capacity);
    this.#hashes = new Float64Array(capacity).fill(FREE);
    this.#free = Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#dummy = lockedAlloc(idLength);
    sodium.randombytes_buf(this.#key);
  }

  get size(): number {
    return this.#values.length - this.#free.length;
  }

  get(id: Uint8Array): number | undefined {
    const slot = this.#find(this.#hashOf(id), id);
    return slot === undefined ? undefined : this.#values[slot];
  }

  /** Throws Fault `server/busy` when full. */
  set(id: Uint8Array, value: number): void {
    const hash = this.#hashOf(id);
    const slot = this.#find(hash, id) ?? this.#take(hash, id);
    this.#values[slot] = value;
  }

  /**
   * As `set` for an id that is new: gives the entry by which `remove` finds it without looking. Undefined, and nothing
   * has changed, when the id is there already.
   */
  add(id: Uint8Array, value: number): number | undefined {
    const hash = this.#hashOf(id);
    if (this.#find(hash, id) !== undefined) return undefined;
    const slot = this.#take(hash, id);
    this.#values[slot] = value;
    return slot;
  }

  /** Removes what `add` gave this entry for; once only, and not after a `delete` of the same id: RangeError. */
  remove(entry: number): void {
    const hash = this.#hashes[entry] ?? FREE;
    if (hash === FREE) throw new RangeError("entry");
    const rest = (this.#index.get(hash) ?? []).filter((slot) => slot !== entry);
    if (rest.length === 0) this.#index.delete(hash);
    else this.#index.set(hash, rest);
    wipe(this.#slot(entry));
    this.#values[entry] = 0;
    this.#hashes[entry] = FREE;
    this.#free.push(entry);
  }

  delete(id: Uint8Array): boolean {
    const slot = this.#find(this.#hashOf(id), id);
    if (slot === undefined) return false;
    this.remove(slot);
    return true;
  }

  #take(hash: number, id: Uint8Array): number {
    const slot = this.#free.pop();
    if (slot === undefined) throw new Fault("server/busy");
    this.#slot(slot).set(id);
    this.#hashes[slot] = hash;
    const bucket = this.#index.get(hash);
    if (bucket === undefined) this.#index.set(hash, [slot]);
    else bucket.push(slot);
    return slot;
  }

  #slot(slot: number): Buffer {
    return this.#slab.subarray(slot * this.#idLength, (slot + 1) * this.#idLength);
  }

  #find(hash: number, id: Uint8Array): number | undefined {
    return this.#index.get(hash)?.find((slot) => equal(this.#slot(slot), id));
  }

  // 52 bits of keyed BLAKE2b; the second call overwrites the block the first left on the C stack.
  #hashOf(id: Uint8Array): number {
    if (id.length !== this.#idLength) throw new RangeError("id length");
    if (this.#random) return wordAt(id, 0) * 0x100000 + (wordAt(id, 4) & 0xfffff);
    sodium.crypto_generichash(this.#hash, id, this.#key);
    const hash = this.#hash.readUInt32LE(0) * 0x100000 + (this.#hash.readUInt32LE(4) & 0xfffff);
    sodium.crypto_generichash(this.#hash, this.#dummy, this.#key);
    return hash;
  }
}
