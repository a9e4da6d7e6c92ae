// Looks at every queue once a week: drops items that are too old, KeyPackages that have run out, and queues whose owner has not come for a year.
import type { Arena, ArenaPool } from "../../memory/arena.ts";
import type { Store } from "../../store/store.ts";
import { operations } from "../../wire/operations.ts";
import { forgetDiscarded } from "./blocklist.ts";
import { lockWhole, remove } from "./delete-queue.ts";
import { goodOn, keptOf } from "./lifetimes.ts";
import { END, type Looking, register, rowOf } from "./look-row.ts";
import { writtenAt } from "./read.ts";
import { dayOf, dayOfItem, keyPackageRecord, load, monthOf, queueRecord, save, type QueueRecord } from "./records.ts";

const { itemDays, idleMonths } = operations["qs.read"].limits;
const FIRST_LOOK_BACK = 100;
const QUEUES_AT_ONCE = 64;
const ITEMS_AT_ONCE = 64;
const ITEM_BYTES_AT_ONCE = 256 << 10;
const MARK = Buffer.from("queue look");

/**
 * Looks at the queues whose day has come at `now` (Unix seconds): says how many items and how many queues it dropped.
 * Safe to interrupt and to repeat.
 */
export async function lookAfter(
  { store, arenas }: { store: Store; arenas: ArenaPool },
  now: number,
): Promise<{ items: number; queues: number }> {
  const dropped = { items: 0, queues: 0 };
  const until = dayOf(now);
  const known = await inArena(arenas, (arena) =>
    store.read(arena, async (view) => (await view.get("server", MARK))?.readUInt32BE()),
  );
  // The day of the mark is not over. A mark ahead of the clock comes from a clock that was wrong: start over.
  const from = known === undefined || known > until ? Math.max(0, until - FIRST_LOOK_BACK) : known;
  for (let day = from; day <= until; day++) {
    for (let more = true; more;) {
      const due = await inArena(arenas, (arena) =>
        store.read(arena, (view) => view.range("queueLook", rowOf(arena, day), 0, END, QUEUES_AT_ONCE)).then(slotsOf),
      );
      for (const slot of due) {
        await inArena(arenas, (arena) => store.transact(arena, (tx) => lookAt({ tx, arena, now }, day, slot, dropped)));
      }
      more = due.length === QUEUES_AT_ONCE;
    }
  }
  if (known === until) return dropped;
  await inArena(arenas, (arena) => store.transact(arena, async (tx) => tx.put("server", MARK, rowOf(arena, until))));
  return dropped;
}

const slotsOf = (found: readonly { sequence: number }[]): number[] => found.map(({ sequence }) => sequence);

async function inArena<T>(arenas: ArenaPool, work: (arena: Arena) => Promise<T>): Promise<T> {
  const arena = arenas.arena();
  try {
    return await work(arena);
  } finally {
    arena.close();
  }
}

async function lookAt(
  call: Looking,
  day: number,
  slot: number,
  dropped: { items: number; queues: number },
): Promise<void> {
  const { tx, arena } = call;
  const row = rowOf(arena, day);
  const [due] = await tx.range("queueLook", row, slot, slot + 1, 1);
  if (due === undefined) return;
  const queueId = due.value;
  const queue = await lockWhole(call, queueId);
  tx.deleteRange("queueLook", row, slot, slot + 1);
  if (queue === undefined || queue.lookDay !== day || queue.lookSlot !== slot) return;
  if (monthOf(call.now) - queue.month > idleMonths) {
    remove(call, queueId, queue);
    dropped.queues++;
    return;
  }
  const acknowledged = await lastOld(call, queueId, queue);
  dropped.items += acknowledged - queue.acknowledged;
  const old =
    acknowledged === queue.acknowledged
      ? {}
      : { acknowledged, expired: acknowledged, released: await writtenAt(call, queueId, acknowledged) };
  if ("acknowledged" in old) tx.deleteRange("queueItem", queueId, queue.acknowledged + 1, acknowledged + 1);
  forgetDiscarded(call, queueId, queue);
  const kept = await dropExpired(call, queueId, queue);
  save(call, "queue", queueRecord, queueId, { ...queue, ...old, ...kept, ...register(call, queueId) });
}

/** Drops KeyPackages that have run out; what the queue's record then says of them. */
async function dropExpired(call: Looking, queueId: Uint8Array, queue: QueueRecord): Promise<Partial<QueueRecord>> {
  const today = dayOf(call.now);
  if (queue.keyPackagesUntil >= today) return {};
  const record = await load(call, "keyPackage", keyPackageRecord, queueId);
  if (record === undefined) return {};
  const { good } = goodOn(record, today);
  save(call, "keyPackage", keyPackageRecord, queueId, good);
  return keptOf(good, true);
}

/** The number of the last item in a row, from the first that waits on, that is too old. */
async function lastOld(call: Looking, queueId: Uint8Array, queue: QueueRecord): Promise<number> {
  const oldest = dayOf(call.now) - itemDays;
  for (let last = queue.acknowledged; ;) {
    const found = await call.tx.range("queueItem", queueId, last + 1, queue.next, ITEMS_AT_ONCE, ITEM_BYTES_AT_ONCE);
    const old = found.findIndex(({ value }) => dayOfItem(value) >= oldest);
    if (old >= 0) return last + old;
    if (found.length === 0) return last;
    last += found.length;
  }
}
