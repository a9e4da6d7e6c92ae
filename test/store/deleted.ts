// What one can still open of what was deleted or replaced, who has copies of a store from any time and the master key.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArenaPool } from "../../src/memory/arena.ts";
import type { GuardedKey } from "../../src/memory/guarded-key.ts";
import { type Entry, KEY_LENGTH } from "../../src/store/driver.ts";
import { Erasable } from "../../src/store/erasable.ts";
import { readIdentity } from "../../src/store/identity.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { type Room, roomNames } from "../../src/store/rooms.ts";
import { Sealing } from "../../src/store/sealing.ts";

const BLOCK = 32768;
const FRAGMENT = 7; // u32 checksum, u16 length, u8 type: full, first, middle, last

/** The batches in a LevelDB log, whether or not a later one deletes what they wrote. */
function* batchesOf(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  for (let at = 0; at + FRAGMENT <= log.length;) {
    const left = BLOCK - (at % BLOCK);
    if (left < FRAGMENT) {
      at += left;
      continue;
    }
    const length = log.readUInt16LE(at + 4);
    const type = log[at + 6]!;
    const part = log.subarray(at + FRAGMENT, at + FRAGMENT + length);
    at += FRAGMENT + length;
    if (type === 1 || type === 2) parts = [];
    parts.push(part);
    if (type === 1 || type === 4) yield Buffer.concat(parts);
  }
}

function* putsOf(batch: Buffer): Generator<Entry> {
  let at = 12; // u64 sequence, u32 count
  const bytes = (): Buffer => {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = batch[at++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += length;
    return batch.subarray(at - length, at);
  };
  while (at < batch.length) {
    const isPut = batch[at++] === 1;
    const key = bytes();
    if (isPut) yield { key, value: bytes() };
  }
}

/** All that the database of a store gives out: what lives, and what its logs still have of what does not. */
export async function versionsIn(store: string): Promise<Entry[]> {
  const copy = mkdtempSync(join(tmpdir(), "tacet-versions-"));
  try {
    const found: Entry[] = [];
    for (const file of readdirSync(join(store, "db"))) {
      if (!file.endsWith(".log")) continue;
      for (const batch of batchesOf(readFileSync(join(store, "db", file)))) found.push(...putsOf(batch));
    }
    cpSync(join(store, "db"), copy, { recursive: true });
    const driver = await openLevel({ dir: copy, reserveBytes: 0 });
    found.push(...(await driver.range(Buffer.alloc(0), Buffer.alloc(KEY_LENGTH + 1, 0xff), Infinity)));
    await driver.close();
    return found;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

// The front of a record up to its nonce's end tells one sealing of it from all others.
const seal = ({ key, value }: Entry): string => `${key.toString("hex")} ${value.toString("hex", 4, 28)}`;

export interface Opened {
  readonly room: Room;
  readonly plain: Buffer;
}

/**
 * What opens, with the master key and the erasable keys in the file `erasable`, of the records that `images` have and
 * that are no more in `now`. All are folders of closed stores, `images` copies of it from other times; `now` may be
 * among them, for what its files still hold. Each sealing counts once.
 */
export async function openDeleted(options: {
  readonly images: readonly string[];
  readonly now: string;
  readonly erasable: string;
  readonly masterKey: GuardedKey;
}): Promise<Opened[]> {
  const { images, now, erasable, masterKey } = options;
  const id = readIdentity(join(now, "identity"), masterKey);
  const turnKeys = new Erasable(erasable, masterKey, id);
  const sealing = new Sealing(masterKey, id, turnKeys);
  turnKeys.close();
  const pool = new ArenaPool([
    [16 << 10, 2],
    [1 << 20, 1],
  ]);
  const driver = mkdtempSync(join(tmpdir(), "tacet-now-"));
  try {
    cpSync(join(now, "db"), driver, { recursive: true });
    const level = await openLevel({ dir: driver, reserveBytes: 0 });
    const live = new Set((await level.range(Buffer.alloc(0), Buffer.alloc(25, 0xff), Infinity)).map(seal));
    await level.close();
    const opened = new Map<string, Opened>();
    for (const image of images) {
      for (const version of await versionsIn(image)) {
        if (live.has(seal(version)) || opened.has(seal(version))) continue;
        for (const room of roomNames) {
          const arena = pool.arena();
          try {
            const plain = Buffer.from(sealing.open(room, version.key, version.value, arena));
            opened.set(seal(version), { room, plain });
          } catch {
            // not this room's, or closed for good
          } finally {
            arena.close();
          }
        }
      }
    }
    return [...opened.values()];
  } finally {
    rmSync(driver, { recursive: true, force: true });
    sealing.destroy();
  }
}
