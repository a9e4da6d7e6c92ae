// A queue's blocklist: what its owner wants nothing from, known to the house by salted digests of handle tags only.
//
// A group could be named to the house by its id, or by the handle that it has. The id would tell the queuing service which
// group a queue is in, and the handle is another after each update. So the owner gives each leaf of its own a random tag,
// which the house seals into all handles of that leaf: the delivery service sees nothing of it, the queuing service sees
// 16 random bytes, only while it fans out, and stores them nowhere. The list has digests under a salt that is new with each
// list. Who has the disk and the master key learns how many are blocked; for which group he would need that group's key.
import { derive } from "../../crypto/derive.ts";
import { ITEM_OVERHEAD, sealNext } from "../../crypto/ratchet.ts";
import { randomFill } from "../../crypto/random.ts";
import type { Arena } from "../../memory/arena.ts";
import { bytes, decode, fixed, struct } from "../../wire/codec.ts";
import { ITEM_PART_MAX, MESSAGE_MAX } from "../../wire/documents.ts";
import { BLOCKED_LENGTH, BLOCKED_MAX } from "../../wire/operations.ts";
import type { Call } from "../ports.ts";
import { ITEM_MARK, type QueueRecord } from "./records.ts";

/** Room `queue`, name = `blocklistName` of the queue id; written under the queue's lock. */
export const blocklist = struct({ salt: fixed(32), digests: bytes(BLOCKED_MAX * BLOCKED_LENGTH) });

export const blocklistName = (arena: Arena, queueId: Uint8Array): Buffer =>
  derive(arena.take(32), "blocklistName", undefined, queueId);

/** True for whole digests, each above the one before. */
export function isAscending(digests: Uint8Array): boolean {
  if (digests.length % BLOCKED_LENGTH !== 0) return false;
  const view = Buffer.from(digests.buffer, digests.byteOffset, digests.length);
  for (let at = BLOCKED_LENGTH; at < digests.length; at += BLOCKED_LENGTH) {
    if (view.compare(view, at - BLOCKED_LENGTH, at, at, at + BLOCKED_LENGTH) <= 0) return false;
  }
  return true;
}

/** Whether the list, a stored record, has the tag. Takes as many steps when it has as when it has not. */
export function isBlocked(record: Buffer, tag: Uint8Array, scratch: Buffer): boolean {
  const { salt, digests } = decode(blocklist, record);
  const view = Buffer.from(digests.buffer, digests.byteOffset, digests.length);
  const digest = derive(scratch.subarray(0, BLOCKED_LENGTH), "blockedTag", salt, tag);
  const compare = (index: number): number =>
    view.compare(digest, 0, BLOCKED_LENGTH, index * BLOCKED_LENGTH, (index + 1) * BLOCKED_LENGTH);
  let low = 0;
  for (let count = digests.length / BLOCKED_LENGTH; count > 1; count -= count >> 1) {
    if (compare(low + (count >> 1)) <= 0) low += count >> 1;
  }
  return digests.length > 0 && compare(low) === 0;
}

const PARTS = Math.ceil(MESSAGE_MAX / ITEM_PART_MAX) + 1;

/**
 * Does with items what `append` would have done, so that the sender's request takes as long and writes as much: seals them
 * under a key that nobody has, into a row beside the queue's, over what was dropped there before.
 */
export function discard(call: Call, queueId: Uint8Array, items: readonly Uint8Array[], scratch: Buffer): void {
  const { arena, tx } = call;
  const row = blocklistName(arena, queueId);
  const chain = randomFill(arena.take(32));
  items.forEach((item, index) => {
    const sealed = scratch.subarray(0, ITEM_MARK + item.length + ITEM_OVERHEAD);
    sealed.fill(0, 0, ITEM_MARK);
    sealNext(sealed.subarray(ITEM_MARK), chain, queueId, index + 1, item);
    tx.putAt("queueItem", row, index, sealed);
  });
}

/** What was dropped last; the caller holds the queue's lock. */
export function forgetDiscarded(call: Pick<Call, "tx" | "arena">, queueId: Uint8Array, queue: QueueRecord): void {
  if (queue.blockNumber === 0 && queue.handleGeneration === 0) return;
  call.tx.deleteRange("queueItem", blocklistName(call.arena, queueId), 0, PARTS);
}

/** With the queue itself. */
export function removeBlocks(call: Pick<Call, "tx" | "arena">, queueId: Uint8Array, queue: QueueRecord): void {
  forgetDiscarded(call, queueId, queue);
  if (queue.blockNumber > 0) call.tx.delete("queue", blocklistName(call.arena, queueId));
}
