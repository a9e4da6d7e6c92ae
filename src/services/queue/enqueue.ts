// Appends what the delivery service sends to its recipients' queues, each item sealed by the queue's own ratchet.
import { ITEM_OVERHEAD, sealNext } from "../../crypto/ratchet.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, DeliveryToQueue } from "../ports.ts";
import type { Bell } from "./bell.ts";
import type { QueueHandles } from "./handle.ts";
import { ITEM_MARK, load, queueRecord, save, waitingBytes, type QueueRecord } from "./records.ts";

const { itemsPerQueue, bytesPerQueue } = operations["qs.read"].limits;

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
    const scratch = call.arena.take(ITEM_MARK + longest + ITEM_OVERHEAD);
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
  let { next, lostBefore, written } = queue;
  const { released } = queue;
  for (const item of items) {
    const length = item.length + ITEM_OVERHEAD;
    const bytes = waitingBytes({ written, released }) + length;
    if (next - 1 - queue.acknowledged >= itemsPerQueue || bytes > bytesPerQueue) {
      lostBefore = next;
      break;
    }
    written = (written + length) >>> 0;
    const record = scratch.subarray(0, ITEM_MARK + length);
    record.writeUInt32BE(written);
    // The queue's chain is a view of the arena: it moves on in place, and the batch overwrites the stored one.
    sealNext(record.subarray(ITEM_MARK), queue.chain, queueId, next, item);
    call.tx.putAt("queueItem", queueId, next, record);
    next++;
  }
  if (next === queue.next && lostBefore === queue.lostBefore) return false;
  save(call, "queue", queueRecord, queueId, { ...queue, next, lostBefore, written });
  return next > queue.next;
}
