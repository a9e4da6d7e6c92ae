// Deletion that is real: keys that every record depends on, in a small file that is rewritten in its place.
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { openInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { randomBytes, randomFill } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { subkey } from "./sealing.ts";
import { TURN_ID_LENGTH, TURN_KEY_LENGTH, type TurnKeys } from "./turn-keys.ts";

// LevelDB never overwrites: what was deleted or replaced stays in its log and tables, on the device, in images of it.
// So records are sealed under a key made of the master key's and of the *turn key* of the time, which is random and lies
// here only. A turn (turn.ts) makes a new turn key, seals every record that lives under it, and then forgets the old key
// by overwriting this file: whatever was deleted or replaced before the turn began opens for nobody any more, whoever
// has the master key, the record's name, and any image of the database.
//
//   The promise: once a turn is over, nothing that was deleted or replaced before it began can be opened, by anybody,
//   from anything but a copy of this file that was made before.
//
// The house turns once an hour when anything has changed, at most a hundredth of the time (src/house/turns.ts), so the
// promise holds an hour and a turn after a deletion. It costs four bytes a record, and each turn one reading and writing
// of what lives; nothing for a message that comes and goes between two turns, no list of keys that grows with deletions,
// and it is one for an account, a message, a ratchet's old chain and a whole period that is over. Lost, this file takes
// the store with it: hence two pages of the same.
//
// Not covered: copies of this file (snapshots of the file system, backups that take it along), what a device keeps of
// overwritten sectors (flash remaps them; file systems that copy on write, and journals of data, keep them for a while),
// and that a record of a known name was there, which its key tells whoever has the master key until LevelDB drops it.

const PAGE = 4096;
const ENTRY = TURN_ID_LENGTH + TURN_KEY_LENGTH;
const HEAD = 9; // f64 generation || u8 number of entries
const PLAIN = HEAD + 2 * ENTRY;

/** How the file is written: tests stand in for it to fail at each step. */
export interface PageWriter {
  write(file: number, bytes: Buffer, at: number): void;
  sync(file: number): void;
}
const onDisk: PageWriter = {
  write: (file, bytes, at) => void writeSync(file, bytes, 0, bytes.length, at),
  sync: fsyncSync,
};

export class Erasable implements TurnKeys {
  readonly #file: number;
  readonly #seal: GuardedKey;
  readonly #writer: PageWriter;
  readonly #plain = lockedAlloc(PLAIN);
  #settled = true;
  #generation = 0;
  // The page to write first: the other holds the newest state until this one does.
  #first: 0 | 1 = 0;
  #ids: readonly Buffer[] = [];
  #keys: GuardedKey;

  /** `create` makes the file, which must not exist, with a first key. Fault `store/erased` when it opens nothing. */
  constructor(path: string, masterKey: GuardedKey, id: Uint8Array, { create = false, writer = onDisk } = {}) {
    this.#writer = writer;
    try {
      this.#file = openSync(path, create ? "wx+" : "r+", 0o600);
    } catch {
      throw new Fault(create ? "store/exists" : "store/erased");
    }
    this.#seal = new GuardedKey(32, (key) =>
      masterKey.use((master) => subkey(key, "recordValue", master, "erasable", id)),
    );
    this.#keys = new GuardedKey(TURN_KEY_LENGTH, randomFill);
    if (create) {
      this.#ids = [freshId()];
      writer.write(this.#file, Buffer.alloc(2 * PAGE), 0);
      this.#write(this.#ids, this.#keys);
    } else {
      this.#read();
    }
  }

  get ids(): readonly Buffer[] {
    return this.#ids;
  }

  use<T>(work: (keys: Buffer) => T): T {
    return this.#keys.use(work);
  }

  begin(): void {
    const ids = [freshId(), this.#ids[0]!];
    const keys = new GuardedKey(2 * TURN_KEY_LENGTH, (memory) => {
      randomFill(memory.subarray(0, TURN_KEY_LENGTH));
      this.use((old) => memory.set(old.subarray(0, TURN_KEY_LENGTH), TURN_KEY_LENGTH));
    });
    this.#replace(ids, keys);
  }

  drop(): void {
    const keys = new GuardedKey(TURN_KEY_LENGTH, (memory) =>
      this.use((old) => memory.set(old.subarray(0, TURN_KEY_LENGTH))),
    );
    this.#replace([this.#ids[0]!], keys);
  }

  #replace(ids: readonly Buffer[], keys: GuardedKey): void {
    try {
      this.#write(ids, keys);
    } catch {
      keys.destroy();
      throw new Fault("store/write");
    }
    this.#keys.destroy();
    this.#keys = keys;
    this.#ids = ids;
  }

  // Both pages in turn, each synced: one of them is whole at any time, and in the end neither holds the state before.
  #write(ids: readonly Buffer[], keys: GuardedKey): void {
    const plain = this.#plain;
    try {
      // Higher than anything that a write that failed may have left.
      plain.writeDoubleBE(++this.#generation);
      plain[8] = ids.length;
      keys.use((all) =>
        ids.forEach((id, i) => {
          plain.set(id, HEAD + i * ENTRY);
          plain.set(all.subarray(i * TURN_KEY_LENGTH, (i + 1) * TURN_KEY_LENGTH), HEAD + i * ENTRY + id.length);
        }),
      );
      for (let i = 0; i < 2; i++) {
        const page = this.#first;
        const sealed = Buffer.alloc(PLAIN + SEAL_OVERHEAD);
        this.#seal.use((key) => sealInto(sealed, plain, Buffer.of(page), key));
        this.#writer.write(this.#file, sealed, page * PAGE);
        this.#writer.sync(this.#file);
        this.#first = page === 0 ? 1 : 0;
      }
    } finally {
      wipe(plain);
    }
  }

  #read(): void {
    const plain = this.#plain;
    const newest = lockedAlloc(PLAIN);
    let whole = 0;
    try {
      for (const page of [0, 1] as const) {
        const sealed = Buffer.alloc(PLAIN + SEAL_OVERHEAD);
        if (readSync(this.#file, sealed, 0, sealed.length, page * PAGE) < sealed.length) continue;
        try {
          this.#seal.use((key) => openInto(plain, sealed, Buffer.of(page), key));
        } catch {
          continue;
        }
        const generation = plain.readDoubleBE();
        if (generation === this.#generation) whole++;
        if (generation <= this.#generation) continue;
        whole = 1;
        this.#generation = generation;
        this.#first = page === 0 ? 1 : 0;
        newest.set(plain);
      }
      if (whole === 0) {
        this.close();
        throw new Fault("store/erased");
      }
      const entries = Array.from({ length: newest[8]! }, (_, i) =>
        newest.subarray(HEAD + i * ENTRY).subarray(0, ENTRY),
      );
      this.#keys.destroy();
      this.#keys = new GuardedKey(entries.length * TURN_KEY_LENGTH, (memory) =>
        entries.forEach((entry, i) => memory.set(entry.subarray(TURN_ID_LENGTH), i * TURN_KEY_LENGTH)),
      );
      this.#ids = entries.map((entry) => Buffer.from(entry.subarray(0, TURN_ID_LENGTH)));
      this.#settled = whole === 2;
    } finally {
      wipe(plain, newest);
    }
  }

  /** Writes both pages anew where a crash left them different. For the holder of the database's lock. */
  settle(): void {
    if (!this.#settled) this.#write(this.#ids, this.#keys);
    this.#settled = true;
  }

  close(): void {
    closeSync(this.#file);
    this.#seal.destroy();
    this.#keys.destroy();
  }
}

const freshId = (): Buffer => randomBytes(TURN_ID_LENGTH);
