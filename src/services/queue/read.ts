// Gives a queue's owner what waits there, after deleting what it has acknowledged.
import { Fault } from "../../fault.ts";
import { sizes } from "../../wire/frame.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, Handler } from "../ports.ts";
import type { Bell } from "./bell.ts";
import { hasExpired } from "./lifetimes.ts";
import { ownedQueue, saveOwned } from "./owner.ts";
import { dayOf, ITEM_MARK, writtenOf } from "./records.ts";

const { limits, size } = operations["qs.read"];
// The reply's frame (code, length), then what the codec adds: the count and five marks, a number and a length an item.
const ROOM = sizes[size.reply] - 6 - 12;
const PER_ITEM = 6 + 4;

/** Fault `queue/limit` for a wait that is too long, and for acknowledging what was never there. */
export const read =
  (bell: Bell): Handler<"qs.read"> =>
  async ({ queueId, acknowledge, wait }, call) => {
    const { tx } = call;
    await tx.lock("queue", queueId);
    const queue = await ownedQueue(call, queueId);
    if (wait > limits.waitSeconds || acknowledge >= queue.next) throw new Fault("queue/limit");
    // Before reading: an item that becomes durable from here on rings.
    const wake = wait > 0 ? bell.wait(queueId, call.now) : undefined;

    const acknowledged = Math.max(acknowledge, queue.acknowledged);
    const advanced = acknowledged > queue.acknowledged;
    const released = advanced ? await writtenAt(call, queueId, acknowledged) : queue.released;
    if (advanced) tx.deleteRange("queueItem", queueId, queue.acknowledged + 1, acknowledged + 1);
    // The mark goes when the owner acknowledges an item behind the gap: a lost answer loses no mark.
    const lostBefore = queue.lostBefore > acknowledged ? queue.lostBefore : 0;
    // So does this one when the owner has taken note of it, by a number at least as high.
    const expired = queue.expired > acknowledge ? queue.expired : 0;
    const changed = advanced || expired !== queue.expired;
    saveOwned(call, queueId, { ...queue, acknowledged, lostBefore, released, expired }, changed);

    const found = await tx.range("queueItem", queueId, acknowledged + 1, queue.next, limits.itemsPerRead, ROOM);
    const items = [];
    let room = ROOM;
    for (const { sequence, value } of found) {
      const sealed = value.subarray(ITEM_MARK);
      room -= PER_ITEM + sealed.length;
      if (room < 0) break;
      items.push({ sequence, sealed });
    }
    const last = items.at(-1)?.sequence ?? acknowledged;
    const reply = { items, more: last + 1 < queue.next ? 1 : 0, full: queue.lostBefore > 0 ? 1 : 0, expired };
    const keyPackagesExpired = hasExpired(queue, dayOf(call.now)) ? 1 : 0;
    if (wake !== undefined) {
      if (items.length > 0) bell.leave(queueId);
      else call.waitFor(wake, wait);
    }
    return { ...reply, keyPackages: queue.keyPackages, keyPackagesExpired };
  };

/** What the queue had taken when this item, which still waits, was written. */
export async function writtenAt(call: Pick<Call, "tx">, queueId: Uint8Array, sequence: number): Promise<number> {
  const [item] = await call.tx.range("queueItem", queueId, sequence, sequence + 1, 1);
  if (item === undefined) throw new Fault("store/corrupt");
  return writtenOf(item.value);
}
