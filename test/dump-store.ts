// Opens every record of a closed store, as one could who has the disk and the master key.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ArenaPool } from "../src/memory/arena.ts";
import type { GuardedKey } from "../src/memory/guarded-key.ts";
import { Erasable } from "../src/store/erasable.ts";
import { readIdentity } from "../src/store/identity.ts";
import { openLevel } from "../src/store/level-driver.ts";
import { roomNames, type Room } from "../src/store/rooms.ts";
import { Sealing } from "../src/store/sealing.ts";

export interface Opened {
  readonly room: Room;
  readonly value: Buffer;
}

export interface Dump {
  readonly opened: readonly Opened[];
  /** Records that open in no room: the journal's own. */
  readonly others: number;
}

export async function dumpStore(dir: string, masterKey: GuardedKey): Promise<Dump> {
  if (!existsSync(join(dir, "db"))) throw new Error("no database");
  const id = readIdentity(join(dir, "identity"), masterKey);
  const turnKeys = new Erasable(join(dir, "erasable"), masterKey, id);
  const sealing = new Sealing(masterKey, id, turnKeys);
  turnKeys.close();
  const driver = await openLevel({ dir: join(dir, "db"), reserveBytes: 0 });
  const arenas = new ArenaPool();
  const opened: Opened[] = [];
  let others = 0;
  try {
    const everything = await driver.range(Buffer.alloc(24), Buffer.alloc(25, 0xff), 1_000_000);
    for (const { key, value } of everything) {
      const arena = arenas.arena();
      try {
        const hit = roomNames.flatMap((room) => {
          try {
            return [{ room, value: Buffer.from(sealing.open(room, key, value, arena)) }];
          } catch {
            return [];
          }
        });
        if (hit.length === 0) others++;
        opened.push(...hit);
      } finally {
        arena.close();
      }
    }
    return { opened, others };
  } finally {
    await driver.close();
    sealing.destroy();
  }
}
