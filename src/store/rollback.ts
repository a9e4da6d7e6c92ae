// A store that was set back, opened so that what must not be used twice can be taken out of it, and then vouched for.
import type { Arena, ArenaPool } from "../memory/arena.ts";
import { KEY_LENGTH } from "./driver.ts";
import { locate } from "./layer.ts";
import { type Room, shapeOf } from "./rooms.ts";
import { SealedStore } from "./sealed-store.ts";
import { type OpenOptions, openParts, type Store } from "./store.ts";
import type { Write } from "./writer.ts";

/** What becomes of a record: undefined leaves it, null deletes it, bytes take its place. `plain` lies in the arena. */
export type Change = (room: Room, plain: Buffer, arena: Arena) => Uint8Array | null | undefined;

export interface RolledBack {
  readonly store: Store;
  /** Goes through every record. Nothing else may use the store meanwhile. */
  changeAll(arenas: ArenaPool, change: Change): Promise<void>;
  /** From here on the store opens like any other. Until then every opening is refused, also after a crash. */
  accept(): void;
}

const AT_ONCE = 256;
const BYTES_AT_ONCE = 1 << 20;

/** Faults of `openStore`, and `store/not-rolled-back` when the anchor vouches for the state that is there. */
export async function openRolledBack(options: OpenOptions): Promise<RolledBack> {
  const { machinery, release, vouch } = await openParts(options, true);
  const { driver, sealing, writer } = machinery;
  return {
    store: new SealedStore(machinery, release),
    accept: vouch,
    async changeAll(arenas, change) {
      const end = Buffer.alloc(KEY_LENGTH + 1, 0xff);
      for (let from: Buffer = Buffer.alloc(0); ;) {
        const entries = await driver.range(from, end, AT_ONCE, BYTES_AT_ONCE);
        const last = entries.at(-1);
        if (last === undefined) return;
        const writes: Write[] = [];
        for (const { key, value } of entries) {
          if (key.equals(writer.headKey)) continue;
          const arena = arenas.arena();
          try {
            const { room, plain } = sealing.openAny(key, value, arena);
            const after = change(room, plain, arena);
            if (after === undefined) continue;
            const ordered = shapeOf(room).kind === "ordered";
            const sealed = after === null ? undefined : sealing.seal(room, key, after);
            writes.push({ ...locate(key), value: sealed, ordered, before: value });
          } finally {
            arena.close();
          }
        }
        if (writes.length > 0) await writer.queue(writes, writer.generation);
        from = Buffer.concat([last.key, Buffer.of(0)]);
      }
    },
  };
}
