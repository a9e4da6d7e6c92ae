// Appends what the delivery service sends to its recipients' queues, each item sealed by the queue's own ratchet.
import { ITEM_OVERHEAD, sealNext } from "../../crypto/ratchet.ts";
import type { Place } from "../../store/store.ts";
import { decode, encode } from "../../wire/codec.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, Delivery, DeliveryToQueue } from "../ports.ts";
import type { Bell } from "./bell.ts";
import { cut } from "./cut.ts";
import type { QueueHandles } from "./handle.ts";
import { dayOf, ITEM_MARK, queueRecord, waitingBytes } from "./records.ts";

const { itemsPerQueue, bytesPerQueue } = operations["qs.read"].limits;

// Queues that are read and written in one go, and goes after which others have their turn: about two milliseconds.
const AT_ONCE = 16;
const TURNS = 4;

interface Addressed {
  readonly place: Place;
  readonly queueId: Buffer;
  readonly messages: Message[];
  /** All that lead here. */
  readonly handles: Uint8Array[];
}
/** The items of one message, which are taken together or not at all. */
type Message = readonly Uint8Array[];

export const enqueue =
  (handles: QueueHandles, bell: Bell): DeliveryToQueue["enqueue"] =>
  async (call, deliveries, later = []) => {
    const { arena, tx } = call;
    const addressed = address(call, handles, deliveries);
    const gone: Uint8Array[] = [];
    if (addressed.length === 0) return { gone };
    const also = handles.open(arena, later).flatMap((queueId) => queueId ?? []);
    await tx.lock("queue", ...addressed.map(({ place }) => place), ...tx.places("queue", also));
    const longest = addressed.reduce((most, { messages }) => Math.max(most, ...messages.flat().map(lengthOf)), 0);
    const scratch = arena.take(ITEM_MARK + longest + ITEM_OVERHEAD);
    const taken: Buffer[] = [];
    for (let at = 0; at < addressed.length; at += AT_ONCE) {
      if (at > 0 && at % (AT_ONCE * TURNS) === 0) await new Promise(setImmediate);
      const some = addressed.slice(at, at + AT_ONCE);
      const records = await tx.getMany(
        "queue",
        some.map(({ place }) => place),
      );
      tx.together(() =>
        some.forEach((one, i) => {
          const record = records[i];
          if (record === undefined) gone.push(...one.handles);
          else if (append(call, one, record, scratch)) taken.push(one.queueId);
        }),
      );
    }
    call.afterCommit(() => taken.forEach((queueId) => bell.ring(queueId)));
    return { gone };
  };

const lengthOf = ({ length }: Uint8Array): number => length;

/**
 * One entry a queue, its messages in the order given. No message comes twice: a group may name one queue in many
 * leaves, and then one token would fill it.
 */
function address(call: Call, handles: QueueHandles, deliveries: readonly Delivery[]): Addressed[] {
  const byPlace = new Map<string, Addressed>();
  for (const { handles: sealed, item } of deliveries) {
    const message = cut(call.arena, item);
    const opened = handles.open(call.arena, sealed);
    const known = opened.flatMap((queueId, i) => (queueId === undefined ? [] : [{ queueId, handle: sealed[i]! }]));
    const places = call.tx.places(
      "queue",
      known.map(({ queueId }) => queueId),
    );
    known.forEach(({ queueId, handle }, i) => {
      const place = places[i]!;
      const before = byPlace.get(place.text);
      if (before === undefined) {
        byPlace.set(place.text, { place, queueId, messages: [message], handles: [handle] });
        return;
      }
      before.handles.push(handle);
      if (!before.messages.includes(message)) before.messages.push(message);
    });
  }
  return [...byPlace.values()];
}

/** False when nothing was appended. `record` is overwritten. */
function append(call: Call, one: Addressed, record: Buffer, scratch: Buffer): boolean {
  const { queueId, place } = one;
  const queue = decode(queueRecord, record);
  const { acknowledged, chain, released } = queue;
  let { next, lostBefore, written } = queue;
  for (const items of one.messages) {
    const bytes = items.reduce((sum, item) => sum + item.length + ITEM_OVERHEAD, waitingBytes({ written, released }));
    if (next - 1 - acknowledged + items.length > itemsPerQueue || bytes > bytesPerQueue) {
      lostBefore = next;
      break;
    }
    for (const item of items) {
      const length = item.length + ITEM_OVERHEAD;
      written = (written + length) >>> 0;
      const sealed = scratch.subarray(0, ITEM_MARK + length);
      sealed.writeUInt16BE(dayOf(call.now), sealed.writeUInt32BE(written));
      // The chain is a view of the record: it moves on in place, and the batch overwrites the stored one.
      sealNext(sealed.subarray(ITEM_MARK), chain, queueId, next, item);
      call.tx.append("queueItem", queueId, next, sealed);
      next++;
    }
  }
  if (next === queue.next && lostBefore === queue.lostBefore) return false;
  call.tx.put(
    "queue",
    place,
    encode(queueRecord, { ...queue, next, lostBefore, written }, () => record),
  );
  return next > queue.next;
}
