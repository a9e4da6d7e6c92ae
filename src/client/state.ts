// The client's state on disk: named sections, sealed under the device key, changed together or not at all.
//
// A section is a file of its own under a random name; the sealed manifest says which file holds which section now. A
// save writes new files, then the manifest beside the old one, and renames it over: after a crash at any point the
// directory shows either all of a save or none of it. So what depends on each other is saved in one call, and a step
// that the server will see is saved before it is sent (wallet.ts, group-outbox.ts) and settled after it is answered.
import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { openInto, SEAL_OVERHEAD, sealInto } from "../crypto/aead.ts";
import { derive } from "../crypto/derive.ts";
import { randomBytes } from "../crypto/random.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc } from "../memory/locked.ts";
import { bytes, decode, encode, fixed, list, struct, u8 } from "../wire/codec.ts";
import { ClientError } from "./errors.ts";
import { lockDirectory } from "./state-lock.ts";

export const DEVICE_KEY_LENGTH = 32;

export interface ClientState {
  /** The section's bytes in locked memory, the caller's to wipe; undefined when it was never saved. */
  load(section: string): Promise<Buffer | undefined>;
  /** Replaces the sections named (undefined deletes), durable and all together when it resolves. */
  save(changes: Readonly<Record<string, Uint8Array | undefined>>): Promise<void>;
  /** Waits for the saves under way and gives the directory back. */
  close(): Promise<void>;
}

const manifest = struct({ version: u8, sections: list(struct({ name: bytes(64), file: fixed(16) }), 65535) });
const MANIFEST = "manifest";
const NEXT = "manifest.next";
const VERSION = 1;

const hex = (id: Uint8Array): string => Buffer.from(id).toString("hex");

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Opens the state in `directory`, beginning an empty one where there is none. `deviceKey`: 32 secret bytes, copied into
 * guarded memory. ClientError `state/in-use`, `state/key`, `state/damaged`; errors of the file system as they come.
 */
export async function openState(directory: string, deviceKey: Uint8Array): Promise<ClientState> {
  if (deviceKey.length !== DEVICE_KEY_LENGTH) throw new ClientError("state/key");
  const unlock = lockDirectory(directory);
  const key = new GuardedKey(32, (memory) => derive(memory, "clientStore", deviceKey));
  const files = new Map<string, Uint8Array>();

  // Bound to its place: a file that is moved to another section, or an old one put back, does not open.
  const seal = (plain: Uint8Array, ...place: Uint8Array[]): Buffer =>
    key.use((secret) => sealInto(Buffer.alloc(plain.length + SEAL_OVERHEAD), plain, Buffer.concat(place), secret));
  const unseal = (sealed: Uint8Array, ...place: Uint8Array[]): Buffer => {
    const plain = lockedAlloc(Math.max(sealed.length - SEAL_OVERHEAD, 0));
    return key.use((secret) => openInto(plain, sealed, Buffer.concat(place), secret));
  };

  const writeManifest = async (): Promise<void> => {
    const sections = [...files].map(([name, file]) => ({ name: Buffer.from(name), file }));
    const plain = encode(manifest, { version: VERSION, sections }, (size) => Buffer.alloc(size));
    await writeDurably(join(directory, NEXT), seal(plain, Buffer.from(MANIFEST)));
    await rename(join(directory, NEXT), join(directory, MANIFEST));
    const folder = await open(directory, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  };

  const begin = async (): Promise<void> => {
    const present = (await readdir(directory)).filter((name) => name !== "lock" && name !== NEXT);
    if (present.length === 0) return writeManifest();
    const sealed = await readFile(join(directory, MANIFEST)).catch(() => {
      throw new ClientError("state/damaged");
    });
    let plain: Buffer;
    try {
      plain = unseal(sealed, Buffer.from(MANIFEST));
    } catch {
      throw new ClientError("state/key");
    }
    for (const { name, file } of decode(manifest, plain).sections) files.set(Buffer.from(name).toString(), file);
    // What a crash left unnamed; a named file that is missing shows when its section is loaded.
    const named = new Set([...files.values()].map(hex));
    for (const name of present) if (name !== MANIFEST && !named.has(name)) await rm(join(directory, name));
  };

  try {
    await begin();
  } catch (error) {
    key.destroy();
    unlock();
    throw error;
  }

  const load = async (section: string): Promise<Buffer | undefined> => {
    const file = files.get(section);
    if (file === undefined) return undefined;
    try {
      return unseal(await readFile(join(directory, hex(file))), Buffer.from(section), file);
    } catch {
      throw new ClientError("state/damaged");
    }
  };

  const save = async (changes: Readonly<Record<string, Uint8Array | undefined>>): Promise<void> => {
    const before = new Map(files);
    const written: Uint8Array[] = [];
    try {
      for (const [section, plain] of Object.entries(changes)) {
        if (plain === undefined) {
          files.delete(section);
          continue;
        }
        const file = randomBytes(16);
        written.push(file);
        await writeDurably(join(directory, hex(file)), seal(plain, Buffer.from(section), file));
        files.set(section, file);
      }
      await writeManifest();
    } catch (error) {
      files.clear();
      for (const [name, file] of before) files.set(name, file);
      throw error;
    }
    for (const section of Object.keys(changes)) {
      const old = before.get(section);
      if (old !== undefined) await rm(join(directory, hex(old)), { force: true });
    }
  };

  // Loads and saves run one after the other, in the order they were asked for.
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    if (closed) return Promise.reject(new ClientError("client/closed"));
    const result = last.then(work, work);
    last = result.catch(() => undefined);
    return result;
  };
  return {
    load: (section) => inTurn(() => load(section)),
    save: (changes) => inTurn(() => save(changes)),
    async close() {
      closed = true;
      await last;
      key.destroy();
      unlock();
    },
  };
}
