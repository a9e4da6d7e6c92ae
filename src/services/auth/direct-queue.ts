// The queue of connection requests behind a name: one row of sealed offers, a place in it for each client.
import { equal } from "../../memory/locked.ts";

import { dayOf, directQueueRecord, load, save, type Client, type DirectQueueRecord, type Scope } from "./records.ts";

/** Days after which an offer that nobody acknowledged goes. */
export const OFFER_DAYS = 30;
const DAY_MARK = 4;
const AT_ONCE = 16;
const EMPTY: DirectQueueRecord = { next: 1, released: 0, positions: [] };

/** What waits for this id. Its lock is held. */
export const loadQueue = async (call: Scope, ownerId: Uint8Array): Promise<DirectQueueRecord> =>
  (await load(call, "directQueue", directQueueRecord, ownerId)) ?? EMPTY;

export const saveQueue = (call: Scope, ownerId: Uint8Array, queue: DirectQueueRecord): void =>
  save(call, "directQueue", directQueueRecord, ownerId, queue);

/** The queue without what is over at `now`. */
export async function withoutOld(
  call: Scope,
  ownerId: Uint8Array,
  queue: DirectQueueRecord,
): Promise<DirectQueueRecord> {
  const oldest = dayOf(call.now) - OFFER_DAYS;
  let { released } = queue;
  for (let limit = 1; ; limit = AT_ONCE) {
    const some = await call.tx.range("directItem", ownerId, released + 1, queue.next, limit);
    const young = some.findIndex(({ value }) => value.readUInt32BE(0) >= oldest);
    released = young < 0 ? (some.at(-1)?.sequence ?? released) : some[young]!.sequence - 1;
    if (young >= 0 || some.length < limit) return release(call, ownerId, queue, released);
  }
}

function release(call: Scope, ownerId: Uint8Array, queue: DirectQueueRecord, released: number): DirectQueueRecord {
  if (released <= queue.released) return queue;
  call.tx.deleteRange("directItem", ownerId, queue.released + 1, released + 1);
  return { ...queue, released };
}

export const positionOf = ({ positions, released }: DirectQueueRecord, clientId: Uint8Array): number =>
  Math.max(released, positions.find((one) => equal(one.clientId, clientId))?.acknowledged ?? 0);

/** The queue in which this client, one of `clients`, has acknowledged so much: what all have is deleted. */
export function acknowledged(
  call: Scope,
  ownerId: Uint8Array,
  queue: DirectQueueRecord,
  clients: readonly Client[],
  { clientId, upTo }: { readonly clientId: Uint8Array; readonly upTo: number },
): DirectQueueRecord {
  const others = queue.positions.filter(
    (one) => !equal(one.clientId, clientId) && clients.some((client) => equal(client.clientId, one.clientId)),
  );
  const moved = { ...queue, positions: [...others, { clientId, acknowledged: upTo }] };
  const all = Math.min(...clients.map((client) => positionOf(moved, client.clientId)));
  return release(call, ownerId, moved, all);
}

/** Appends an offer. The queue's lock is held. */
export function append(call: Scope, ownerId: Uint8Array, queue: DirectQueueRecord, offer: Uint8Array): void {
  const item = call.arena.take(DAY_MARK + offer.length);
  item.writeUInt32BE(dayOf(call.now));
  item.set(offer, DAY_MARK);
  call.tx.putAt("directItem", ownerId, queue.next, item);
  saveQueue(call, ownerId, { ...queue, next: queue.next + 1 });
}

/** The offer in an item. */
export const offerOf = (item: Buffer): Buffer => item.subarray(DAY_MARK);

/** A client that is gone holds nothing back. Locks the queue. */
export async function forgetPosition(call: Scope, ownerId: Uint8Array, clientId: Uint8Array): Promise<void> {
  await call.tx.lock("directQueue", ownerId);
  const queue = await loadQueue(call, ownerId);
  const positions = queue.positions.filter((one) => !equal(one.clientId, clientId));
  if (positions.length !== queue.positions.length) saveQueue(call, ownerId, { ...queue, positions });
}
