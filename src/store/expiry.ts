// Forgets whole periods: what an expiring room holds of a period that is over is deleted, and no record is looked at.
import type { Arena } from "../memory/arena.ts";
import type { Room, Store } from "./store.ts";

/** Partition p of `room` covers the unix seconds from p * seconds on, and is kept `keepSeconds` after its end. */
export interface Period {
  readonly room: Room;
  readonly seconds: number;
  readonly keepSeconds: number;
}

// Keys do not show their partition, so the sweeper counts: from where the last sweep ended, at first from far enough back.
const FIRST_LOOK_BACK = 100;

const markName = (room: Room): Buffer => Buffer.from(`sweep ${room}`);

/**
 * Drops every partition that is over at `now` (unix seconds) and remembers how far it came. Returns the number of
 * records deleted. Safe to interrupt and to repeat.
 */
export async function sweep(
  store: Store,
  options: { readonly now: number; readonly periods: readonly Period[]; readonly arena: Arena },
): Promise<number> {
  const { now, periods, arena } = options;
  let deleted = 0;
  for (const { room, seconds, keepSeconds } of periods) {
    const live = Math.max(0, Math.floor((now - keepSeconds) / seconds));
    const name = markName(room);
    const mark = await store.read(arena, (view) => view.get("server", name));
    // A mark ahead of the clock comes from a clock that was wrong: start over.
    const marked = mark === undefined ? Infinity : mark.readUIntBE(0, 6);
    const first = marked > live ? Math.max(0, live - FIRST_LOOK_BACK) : marked;
    for (let partition = first; partition < live; partition++) deleted += await store.dropPartition(room, partition);
    if (live === marked) continue;
    const next = arena.take(6);
    next.writeUIntBE(live, 0, 6);
    await store.transact(arena, async (tx) => tx.put("server", name, next));
  }
  return deleted;
}
