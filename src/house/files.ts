// Where the parts of a house lie under its data directory, and the master key's way out of its file.
import { closeSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { createKeyFile, loadKeyFile } from "../store/master-key.ts";
import type { OpenOptions } from "../store/store.ts";

export const filesOf = ({ dataDir }: Config) => ({
  state: join(dataDir, "state"),
  tor: join(dataDir, "tor"),
  rootKey: join(dataDir, "as-root.key"),
  wrappedKey: join(dataDir, "master.key"),
});

/** The store's place, opened with `masterKey`, which stays its owner's. */
export const placeOf = (config: Config, masterKey: GuardedKey): OpenOptions => {
  const { reserveMb, apartDir: apart } = config.store;
  return { dir: filesOf(config).state, apart, masterKey, reserveBytes: reserveMb << 20 };
};

const PASSPHRASE_MAX = 1024;

/** Runs `work` with the first line of a file, in locked memory. Fault `store/key-passphrase` when it has none. */
async function withPassphrase<T>(path: string, work: (passphrase: Buffer) => Promise<T>): Promise<T> {
  const memory = lockedAlloc(PASSPHRASE_MAX);
  try {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch {
      throw new Fault("store/key-file");
    }
    let length: number;
    try {
      length = readSync(file, memory);
    } finally {
      closeSync(file);
    }
    const end = memory.indexOf(0x0a);
    const line = memory.subarray(0, end >= 0 && end < length ? end : length);
    if (line.length === 0) throw new Fault("store/key-passphrase");
    return await work(line);
  } finally {
    wipe(memory);
  }
}

/** Makes the master key that the configuration names. Fault `store/exists` when there is one. */
export async function createMasterKey(config: Config): Promise<void> {
  const { key, dataDir } = config;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (key.source === "file") return createKeyFile(key.path);
  return withPassphrase(key.path, (passphrase) => createKeyFile(filesOf(config).wrappedKey, passphrase));
}

/** Faults `store/key-file`, `store/key-permissions`, `store/key-passphrase`. */
export async function loadMasterKey(config: Config): Promise<GuardedKey> {
  const { key } = config;
  if (key.source === "file") return loadKeyFile(key.path);
  return withPassphrase(key.path, (passphrase) => loadKeyFile(filesOf(config).wrappedKey, passphrase));
}
