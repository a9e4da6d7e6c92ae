// Appends what the delivery service sends to its recipients' queues, each item sealed by the queue's own ratchet.
import { ITEM_OVERHEAD, sealNext } from "../../crypto/ratchet.ts";
import type { Place } from "../../store/store.ts";
import { decode, encode } from "../../wire/codec.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, Delivery, DeliveryToQueue } from "../ports.ts";
import type { Bell } from "./bell.ts";
import { blocklistName, discard, isBlocked } from "./blocklist.ts";
import { cut } from "./cut.ts";
import type { Opened, QueueHandles } from "./handle.ts";
import { dayOf, ITEM_MARK, queueState, stateOf, waitingBytes, type QueueState } from "./records.ts";

const { itemsPerQueue, bytesPerQueue } = operations["qs.read"].limits;

// Queues that are read and written in one go at most, and items after which others have their turn: about two milliseconds.
const AT_ONCE = 16;
const ITEMS = 64;
// Handles that are opened in one go: about two milliseconds.
const OPENED = 256;
const NO_LISTS: ReadonlyMap<Addressed, Buffer | undefined> = new Map();

interface Addressed {
  readonly place: Place;
  readonly queueId: Buffer;
  readonly messages: Message[];
  /** All that lead here. */
  readonly handles: Uint8Array[];
}
interface Message {
  /** Taken together or not at all. */
  readonly items: readonly Uint8Array[];
  /** What is in the handles by which it came. */
  readonly by: Opened[];
}

export const enqueue =
  (handles: QueueHandles, bell: Bell): DeliveryToQueue["enqueue"] =>
  async (call, deliveries, later = []) => {
    const { arena, tx } = call;
    const addressed = await address(call, handles, deliveries);
    const gone: Uint8Array[] = [];
    if (addressed.length === 0) return { gone };
    const places = addressed.map(({ place }) => place);
    if (later.length > 0) {
      const also = handles.open(arena, later).flatMap((opened) => opened?.queueId ?? []);
      places.push(...tx.places("queue", also));
    }
    await tx.lock("queue", ...places);
    const longest = addressed.reduce(
      (most, { messages }) => Math.max(most, ...messages.flatMap(({ items }) => items.map(lengthOf))),
      0,
    );
    const scratch = arena.take(ITEM_MARK + longest + ITEM_OVERHEAD);
    const taken: Buffer[] = [];
    let since = 0;
    for (const some of goes(addressed)) {
      const work = some.reduce((sum, one) => sum + itemsOf(one), 0);
      if (since > 0 && since + work > ITEMS) {
        await new Promise(setImmediate);
        since = 0;
      }
      since += work;
      const records = await tx.getMany(
        "queue",
        some.map(({ place }) => place),
      );
      const queues = records.map((record) => record && decode(queueState, stateOf(record)));
      const blocklists = await blocklistsOf(call, some, queues);
      tx.together(() =>
        some.forEach((one, i) => {
          const [record, queue] = [records[i], queues[i]];
          if (record === undefined || queue === undefined) gone.push(...one.handles);
          else if (append(call, one, { record, queue, blocklist: blocklists.get(one) }, scratch))
            taken.push(one.queueId);
        }),
      );
    }
    call.afterCommit(() => taken.forEach((queueId) => bell.ring(queueId)));
    return { gone };
  };

const itemsOf = ({ messages }: Addressed): number => messages.reduce((sum, { items }) => sum + items.length, 0);

/** Cut where it is enough for one go; one queue is never cut. */
function* goes(addressed: readonly Addressed[]): Generator<Addressed[]> {
  let some: Addressed[] = [];
  let items = 0;
  for (const one of addressed) {
    const more = itemsOf(one);
    if (some.length === AT_ONCE || (some.length > 0 && items + more > ITEMS)) {
      yield some;
      [some, items] = [[], 0];
    }
    some.push(one);
    items += more;
  }
  if (some.length > 0) yield some;
}

const lengthOf = ({ length }: Uint8Array): number => length;

interface Located {
  readonly inside: Opened;
  readonly handle: Uint8Array;
  readonly place: Place;
}

/**
 * One entry a queue, its messages in the order given. No message comes twice: a group may name one queue in many
 * leaves, and then one token would fill it.
 */
async function address(call: Call, handles: QueueHandles, deliveries: readonly Delivery[]): Promise<Addressed[]> {
  const byPlace = new Map<string, Addressed>();
  // What is for the same list is opened once: many proposals go to all members.
  const byList = new Map<readonly Uint8Array[], readonly Located[]>();
  for (const { handles: sealed, item } of deliveries) {
    const items = cut(call.arena, item);
    if (byPlace.size > 0) await new Promise(setImmediate);
    const known = byList.get(sealed) ?? (await locate(call, handles, sealed));
    byList.set(sealed, known);
    for (const { inside, handle, place } of known) {
      const before = byPlace.get(place.text);
      if (before === undefined) {
        const { queueId } = inside;
        byPlace.set(place.text, { place, queueId, messages: [{ items, by: [inside] }], handles: [handle] });
        continue;
      }
      before.handles.push(handle);
      // One delivery is gone through at a time.
      const same = before.messages.at(-1)!;
      if (same.items === items) same.by.push(inside);
      else before.messages.push({ items, by: [inside] });
    }
  }
  return [...byPlace.values()];
}

/** What opens of `sealed`, and where it leads. */
async function locate(call: Call, handles: QueueHandles, sealed: readonly Uint8Array[]): Promise<Located[]> {
  const located: Located[] = [];
  for (let at = 0; at < sealed.length; at += OPENED) {
    if (at > 0) await new Promise(setImmediate);
    const some = sealed.slice(at, at + OPENED);
    const known = handles
      .open(call.arena, some)
      .flatMap((inside, i) => (inside === undefined ? [] : [{ inside, handle: some[i]! }]));
    const places = call.tx.places(
      "queue",
      known.map(({ inside }) => inside.queueId),
    );
    known.forEach((one, i) => located.push({ ...one, place: places[i]! }));
  }
  return located;
}

/** The lists of those queues that have one. */
async function blocklistsOf(
  { arena, tx }: Call,
  some: readonly Addressed[],
  queues: readonly (QueueState | undefined)[],
): Promise<ReadonlyMap<Addressed, Buffer | undefined>> {
  const having = some.filter((_, i) => (queues[i]?.blocked ?? 0) > 0);
  if (having.length === 0) return NO_LISTS;
  const lists = await tx.getMany(
    "queue",
    having.map(({ queueId }) => blocklistName(arena, queueId)),
  );
  return new Map(having.map((one, i) => [one, lists[i]]));
}

interface Found {
  /** Overwritten; `queue` is what it says. */
  readonly record: Buffer;
  readonly queue: QueueState;
  readonly blocklist: Buffer | undefined;
}

/** False when nothing was appended. */
function append(call: Call, one: Addressed, { record, queue, blocklist }: Found, scratch: Buffer): boolean {
  const { queueId, place } = one;
  const isWanted = ({ tag, generation }: Opened): boolean =>
    generation >= queue.handleGeneration && !(blocklist && isBlocked(blocklist, tag, scratch));
  let discarded = false;
  const { acknowledged, chain, released } = queue;
  let { next, lostBefore, written } = queue;
  for (const { items, by } of one.messages) {
    if (!by.some(isWanted)) {
      discard(call, queueId, items, scratch);
      discarded = true;
      continue;
    }
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
  if (!discarded && next === queue.next && lostBefore === queue.lostBefore) return false;
  encode(queueState, { ...queue, next, lostBefore, written }, () => stateOf(record));
  call.tx.put("queue", place, record);
  return next > queue.next;
}
