// The file that names a database and proves the master key, so that a wrong key is refused before LevelDB is opened.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { openInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { derive } from "../crypto/derive.ts";
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import type { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { subkey } from "./sealing.ts";

// magic(8) || sealed id(56) || BLAKE2b-128 of both. The checksum tells a damaged file from a wrong key.
const MAGIC = Buffer.from("tacetdb1");
const ID_LENGTH = 16;
const BODY = MAGIC.length + ID_LENGTH + SEAL_OVERHEAD;

const checksum = (body: Buffer): Buffer => derive(Buffer.alloc(16), "recordChain", undefined, body);

function withKey<T>(masterKey: GuardedKey, work: (key: Buffer) => T): T {
  const key = lockedAlloc(32);
  try {
    masterKey.use((master) => subkey(key, "recordValue", master, "identity", Buffer.alloc(0)));
    return work(key);
  } finally {
    wipe(key);
  }
}

/** A fresh database id: 16 random bytes, a part of every subkey. */
export const newId = (): Buffer => randomBytes(ID_LENGTH);

/** Writes the file and syncs it and its directory. It must not exist. */
export function writeIdentity(path: string, masterKey: GuardedKey, id: Buffer): void {
  const body = Buffer.alloc(BODY);
  body.set(MAGIC);
  withKey(masterKey, (key) => sealInto(body.subarray(MAGIC.length), id, MAGIC, key));
  const file = openSync(path, "wx", 0o600);
  writeSync(file, Buffer.concat([body, checksum(body)]));
  fsyncSync(file);
  closeSync(file);
  const directory = openSync(dirname(path), "r");
  fsyncSync(directory);
  closeSync(directory);
}

/** The database's id. Faults: `store/missing`, `store/corrupt`, `store/wrong-key`. Changes no file. */
export function readIdentity(path: string, masterKey: GuardedKey): Buffer {
  if (!existsSync(path)) throw new Fault("store/missing");
  const file = readFileSync(path);
  const body = file.subarray(0, BODY);
  if (file.length !== BODY + 16 || !body.subarray(0, MAGIC.length).equals(MAGIC)) throw new Fault("store/corrupt");
  if (!checksum(body).equals(file.subarray(BODY))) throw new Fault("store/corrupt");
  try {
    return withKey(masterKey, (key) => openInto(Buffer.alloc(ID_LENGTH), body.subarray(MAGIC.length), MAGIC, key));
  } catch {
    throw new Fault("store/wrong-key");
  }
}
