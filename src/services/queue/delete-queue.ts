// Deletes a queue with all that belongs to it, when its owner says so or has not come for too long.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import type { Call, Handler } from "../ports.ts";
import type { Bell } from "./bell.ts";
import { removeBlocks } from "./blocklist.ts";
import { unregister } from "./look-row.ts";
import { load, queueRecord, type QueueRecord } from "./records.ts";

/** Fault `auth/signature` when the queue is there and somebody else's. */
export const deleteQueue =
  (bell: Bell): Handler<"qs.deleteQueue"> =>
  async ({ queueId, ownerKey }, call) => {
    call.authenticate(ownerKey);
    const queue = await lockWhole(call, queueId);
    if (queue === undefined) return {};
    if (!equal(queue.ownerKey, ownerKey)) throw new Fault("auth/signature");
    remove(call, queueId, queue);
    call.afterCommit(() => bell.ring(queueId));
    return {};
  };

/** Locks everything of a queue, and gives its record. */
export async function lockWhole(
  call: Pick<Call, "tx" | "arena">,
  queueId: Uint8Array,
): Promise<QueueRecord | undefined> {
  const { tx } = call;
  await tx.lock("keyPackage", queueId);
  const before = await load(call, "queue", queueRecord, queueId);
  if (before !== undefined) await tx.lock("friendship", before.friendship);
  await tx.lock("queue", queueId);
  return load(call, "queue", queueRecord, queueId);
}

/** The caller has locked everything. */
export function remove(call: Pick<Call, "tx" | "arena">, queueId: Uint8Array, queue: QueueRecord): void {
  const { tx } = call;
  unregister(call, queue);
  tx.deleteRange("queueItem", queueId, queue.acknowledged + 1, queue.next);
  tx.delete("keyPackage", queueId);
  tx.delete("friendship", queue.friendship);
  removeBlocks(call, queueId, queue);
  tx.delete("queue", queueId);
}
