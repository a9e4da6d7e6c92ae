// Appends what the delivery service sends to its recipients' queues, each item sealed by the queue's own ratchet.
import { ITEM_OVERHEAD, sealNext } from "../../crypto/ratchet.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, DeliveryToQueue } from "../ports.ts";
import type { Bell } from "./bell.ts";
import type { QueueHandles } from "./handle.ts";
import { load, queueRecord, save, type QueueRecord } from "./records.ts";

const { itemsPerQueue } = operations["qs.read"].limits;

interface Addressed {
  readonly queueId: Buffer;
  readonly items: Uint8Array[];
}

export const enqueue =
  (handles: QueueHandles, bell: Bell): DeliveryToQueue["enqueue"] =>
  async (call, deliveries) => {
    const addressed = byQueue(
      deliveries.flatMap(({ handles: sealed, item }) =>
        handles
          .open(call.arena, sealed)
          .flatMap((queueId) => (queueId === undefined ? [] : [{ queueId, items: [item] }])),
      ),
    );
    if (addressed.length === 0) return;
    await call.tx.lock("queue", ...addressed.map(({ queueId }) => queueId));
    const longest = Math.max(...deliveries.map(({ item }) => item.length));
    const scratch = call.arena.take(longest + ITEM_OVERHEAD);
    const queues = await Promise.all(addressed.map(({ queueId }) => load(call, "queue", queueRecord, queueId)));
    addressed.forEach((one, i) => {
      const queue = queues[i];
      if (queue !== undefined && append(call, one, queue, scratch)) call.afterCommit(() => bell.ring(one.queueId));
    });
  };

/**
 * One entry a queue, its items in the order given. No item comes twice: a group may name one queue in many leaves, and
 * then one token would fill it.
 */
function byQueue(single: Addressed[]): Addressed[] {
  const grouped: Addressed[] = [];
  for (const one of single.toSorted((a, b) => Buffer.compare(a.queueId, b.queueId))) {
    const last = grouped.at(-1);
    if (last === undefined || !last.queueId.equals(one.queueId)) grouped.push(one);
    else last.items.push(...one.items.filter((item) => !last.items.includes(item)));
  }
  return grouped;
}

/** False when nothing was appended. */
function append(call: Call, { queueId, items }: Addressed, queue: QueueRecord, scratch: Buffer): boolean {
  let { next, lostBefore } = queue;
  for (const item of items) {
    if (next - 1 - queue.acknowledged >= itemsPerQueue) {
      lostBefore = next;
      break;
    }
    const sealed = scratch.subarray(0, item.length + ITEM_OVERHEAD);
    // The record's chain is a view of the arena: it moves on in place, and the batch overwrites the stored one.
    sealNext(sealed, queue.chain, queueId, next, item);
    call.tx.putAt("queueItem", queueId, next, sealed);
    next++;
  }
  if (next === queue.next && lostBefore === queue.lostBefore) return false;
  save(call, "queue", queueRecord, queueId, { ...queue, next, lostBefore });
  return next > queue.next;
}
