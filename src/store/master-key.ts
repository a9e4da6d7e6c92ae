// The master key's file: bare and readable by its owner only, or wrapped under an operator's passphrase.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { openInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { derive, flushHash } from "../crypto/derive.ts";
import { PASSPHRASE_COST, passphraseKey, SALT_LENGTH } from "../crypto/pwhash.ts";
import { randomFill } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";

const KEY_LENGTH = 32;
// Bare: magic(8) || key(32). Wrapped: magic(8) || u32 passes || u32 KiB || salt(16) || sealed key(72), bound to the rest.
const BARE = Buffer.from("tacetkey");
const WRAPPED = Buffer.from("tacetpwk");
const HEADER = 8 + 4 + 4 + SALT_LENGTH;
const WRAPPED_LENGTH = HEADER + KEY_LENGTH + SEAL_OVERHEAD;
// What a changed header may ask of this machine.
const MOST_KIB = 4 << 20;
const MOST_PASSES = 64;

/**
 * Makes a fresh key and writes it to `path`, mode 0600, synced; with a `passphrase` (wiped by its owner) wrapped under
 * it by Argon2id. Fault `store/exists` when there is a file already: it may be all that opens a database.
 */
export async function createKeyFile(path: string, passphrase?: Uint8Array): Promise<void> {
  const contents = lockedAlloc(passphrase === undefined ? BARE.length + KEY_LENGTH : WRAPPED_LENGTH);
  const key = lockedAlloc(KEY_LENGTH);
  try {
    randomFill(key);
    if (passphrase === undefined) {
      contents.set(BARE);
      contents.set(key, BARE.length);
    } else {
      contents.set(WRAPPED);
      contents.writeUInt32BE(PASSPHRASE_COST.passes, 8);
      contents.writeUInt32BE(PASSPHRASE_COST.bytes / 1024, 12);
      randomFill(contents.subarray(16, HEADER));
      await withWrap(contents, passphrase, (wrap) =>
        sealInto(contents.subarray(HEADER), key, contents.subarray(0, HEADER), wrap),
      );
    }
    write(path, contents);
  } finally {
    wipe(contents, key);
  }
}

/**
 * The key in the file. Faults: `store/key-file` (missing or not a key file), `store/key-permissions` (others than the
 * owner may read or write it), `store/key-passphrase` (wrong, missing, or given for a bare file).
 */
export async function loadKeyFile(path: string, passphrase?: Uint8Array): Promise<GuardedKey> {
  const contents = lockedAlloc(WRAPPED_LENGTH + 1);
  try {
    const length = read(path, contents);
    const magic = contents.subarray(0, BARE.length);
    if (magic.equals(BARE) && length === BARE.length + KEY_LENGTH) {
      if (passphrase !== undefined) throw new Fault("store/key-passphrase");
      return new GuardedKey(KEY_LENGTH, (memory) => contents.copy(memory, 0, BARE.length, length));
    }
    if (!magic.equals(WRAPPED) || length !== WRAPPED_LENGTH) throw new Fault("store/key-file");
    if (passphrase === undefined) throw new Fault("store/key-passphrase");
    return await withWrap(
      contents,
      passphrase,
      (wrap) =>
        new GuardedKey(KEY_LENGTH, (memory) =>
          openInto(memory, contents.subarray(HEADER, WRAPPED_LENGTH), contents.subarray(0, HEADER), wrap),
        ),
    );
  } catch (error) {
    if (error instanceof Fault && error.code === "crypto/open") throw new Fault("store/key-passphrase");
    throw error;
  } finally {
    wipe(contents);
  }
}

/** Runs `work` with the key that the header's salt and cost make of the passphrase. */
async function withWrap<T>(header: Buffer, passphrase: Uint8Array, work: (wrap: Buffer) => T): Promise<T> {
  const cost = { passes: header.readUInt32BE(8), bytes: header.readUInt32BE(12) * 1024 };
  if (cost.passes < 1 || cost.passes > MOST_PASSES) throw new Fault("store/key-file");
  if (cost.bytes < 8192 || cost.bytes > MOST_KIB * 1024) throw new Fault("store/key-file");
  const stretched = lockedAlloc(32);
  const wrap = lockedAlloc(32);
  try {
    await passphraseKey(stretched, passphrase, header.subarray(16, HEADER), cost);
    return work(derive(wrap, "masterWrap", stretched));
  } finally {
    wipe(stretched, wrap);
    flushHash();
  }
}

function write(path: string, contents: Buffer): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EEXIST" ? new Fault("store/exists") : error;
  }
  try {
    writeSync(file, contents);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

// Straight into locked memory: readFile would leave a copy behind.
function read(path: string, into: Buffer): number {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    throw new Fault("store/key-file");
  }
  try {
    if ((fstatSync(file).mode & 0o077) !== 0) throw new Fault("store/key-permissions");
    return readSync(file, into);
  } finally {
    closeSync(file);
  }
}
