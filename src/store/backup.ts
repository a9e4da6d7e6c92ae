// A copy of a store that is a store of its own: only what lives, under an erasable key that is only the copy's.
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { KEY_LENGTH } from "./driver.ts";
import { Erasable } from "./erasable.ts";
import { inspect } from "./inspect.ts";
import { sameHead } from "./journal.ts";
import { openLevel } from "./level-driver.ts";
import { DATABASE, ERASABLE, IDENTITY, openParts, type StorePlace } from "./store.ts";
import { Sealing } from "./sealing.ts";

const AT_ONCE = 4096;
const BYTES_AT_ONCE = 4 << 20;

/**
 * Copies the closed store at `place` into the empty folder `to`, and reads the copy to its end. Nothing deleted is in
 * it, not even sealed, and its key opens nothing but it: what is deleted later stays readable in it as long as its file
 * `erasable` is kept, and no longer. It has no anchor, so it opens only where a rollback is accepted. Faults of
 * `openStore`, and `store/exists`.
 */
export async function backUp(place: StorePlace, to: string): Promise<void> {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  if (readdirSync(to).length > 0) throw new Fault("store/exists");
  const { machinery, journal, id, release } = await openParts({ ...place, reserveBytes: 0 }, false);
  const { driver, sealing } = machinery;
  try {
    const turnKeys = new Erasable(join(to, ERASABLE), place.masterKey, id, { create: true });
    const own = new Sealing(place.masterKey, id, turnKeys);
    try {
      const copy = await openLevel({ dir: join(to, DATABASE), create: true, reserveBytes: 0 });
      try {
        const end = Buffer.alloc(KEY_LENGTH + 1, 0xff);
        for (let from: Buffer = Buffer.alloc(0); ;) {
          const entries = await driver.range(from, end, AT_ONCE, BYTES_AT_ONCE);
          const last = entries.at(-1);
          if (last === undefined) break;
          const moved = ({ key, value }: (typeof entries)[number]) =>
            key.equals(journal.key) ? { key, value } : { key, value: sealing.moveTo(own, key, value) };
          await copy.commit(entries.map(moved));
          from = Buffer.concat([last.key, Buffer.of(0)]);
        }
      } finally {
        await copy.close();
      }
      const head = journal.open(await driver.get(journal.key));
      const vouch = (copied: typeof head): void => {
        if (!sameHead(copied, head)) throw new Fault("store/corrupt");
      };
      await inspect({ parent: to, name: DATABASE, journal, sealing: own, vouch });
      copyFileSync(join(place.dir, IDENTITY), join(to, IDENTITY)); // last: what has none was never finished
    } finally {
      own.destroy();
      turnKeys.close();
    }
  } finally {
    sealing.destroy();
    await release();
  }
}
