// A small file beside the database that remembers how far the database had come, so that an older copy of it shows.
import { closeSync, existsSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { openInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { equal } from "../memory/locked.ts";
import type { Head } from "./journal.ts";
import { subkey } from "./sealing.ts";

// Two slots, each within one sector of its own page, overwritten in turn: a write torn by a power cut spoils one of
// them and the other still holds the batch before. Written after the batch is durable and before it is acknowledged,
// but not synced: it survives the end of the process, and a power cut leaves it behind the database, never ahead.
// Where it lies beside the database, who sets back both is not noticed; StorePlace.apart puts it on other storage.
const SLOT = 4096;
const PLAIN = 40; // f64 batch || chain(32)

export class Anchor {
  readonly #file: number;
  readonly #key: GuardedKey;
  #slot = 0;

  /**
   * `create`: makes the file with this first state, synced. `accept`: makes an empty one where there is none. Otherwise
   * it must be there: Fault `store/rolled-back`, for who takes it away wants the same as who sets the database back.
   */
  constructor(path: string, masterKey: GuardedKey, id: Uint8Array, mode: { create?: Head; accept?: boolean } = {}) {
    const { create, accept = false } = mode;
    try {
      this.#file = openSync(path, create !== undefined ? "wx+" : accept && !existsSync(path) ? "wx+" : "r+", 0o600);
    } catch {
      throw new Fault(create === undefined ? "store/rolled-back" : "store/exists");
    }
    this.#key = new GuardedKey(32, (key) =>
      masterKey.use((master) => subkey(key, "recordValue", master, "anchor", id)),
    );
    if (create !== undefined) {
      this.clear();
      this.write(create);
      fsyncSync(this.#file);
    }
  }

  /** Forgets every state, durably: nothing passes `check` until one is written. */
  clear(): void {
    writeSync(this.#file, Buffer.alloc(2 * SLOT), 0, 2 * SLOT, 0);
    fsyncSync(this.#file);
  }

  write(head: Head): void {
    const plain = Buffer.alloc(PLAIN);
    plain.writeDoubleBE(head.batch);
    plain.set(head.chain, 8);
    const sealed = Buffer.alloc(PLAIN + SEAL_OVERHEAD);
    this.#key.use((key) => sealInto(sealed, plain, Buffer.of(this.#slot), key));
    writeSync(this.#file, sealed, 0, sealed.length, this.#slot * SLOT);
    this.#slot ^= 1;
  }

  /**
   * Fault `store/rolled-back` unless `head` is at or after what the anchor remembers, on the same history where they
   * meet; also when the anchor remembers nothing.
   */
  check(head: Head): void {
    let latest: { batch: number; chain: Buffer; slot: number } | undefined;
    for (const slot of [0, 1]) {
      const sealed = Buffer.alloc(PLAIN + SEAL_OVERHEAD);
      if (readSync(this.#file, sealed, 0, sealed.length, slot * SLOT) < sealed.length) continue;
      const plain = Buffer.alloc(PLAIN);
      try {
        this.#key.use((key) => openInto(plain, sealed, Buffer.of(slot), key));
      } catch {
        continue;
      }
      const batch = plain.readDoubleBE();
      if (latest === undefined || batch > latest.batch) latest = { batch, chain: plain.subarray(8), slot };
    }
    if (latest === undefined || head.batch < latest.batch) throw new Fault("store/rolled-back");
    if (head.batch === latest.batch && !equal(head.chain, latest.chain)) throw new Fault("store/rolled-back");
    this.#slot = latest.slot ^ 1;
  }

  close(): void {
    fsyncSync(this.#file);
    this.abandon();
  }

  /** Closes without writing anything out: for an opening that was refused. */
  abandon(): void {
    closeSync(this.#file);
    this.#key.destroy();
  }
}
