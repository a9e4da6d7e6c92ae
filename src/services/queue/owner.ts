// The queue of a request, once its owner has signed it.
import { signKeypair } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { lockedAlloc, wipe } from "../../memory/locked.ts";
import type { Call } from "../ports.ts";
import { load, monthOf, queueRecord, save, type QueueRecord } from "./records.ts";

// A key nobody holds: a queue that does not exist costs and answers the same as a wrong signature.
const nobody = Buffer.alloc(32);
const discarded = lockedAlloc(64);
signKeypair(nobody, discarded);
wipe(discarded);

/** Fault `auth/signature` when the request is not signed by the owner, also where there is no such queue. */
export async function ownedQueue(call: Call, queueId: Uint8Array): Promise<QueueRecord> {
  const queue = await load(call, "queue", queueRecord, queueId);
  call.authenticate(queue?.ownerKey ?? nobody);
  if (queue === undefined) throw new Fault("auth/signature");
  return queue;
}

/** Writes the record where `changed` or where its month is over. The caller holds the queue's lock. */
export function saveOwned(call: Call, queueId: Uint8Array, queue: QueueRecord, changed: boolean): void {
  const month = monthOf(call.now);
  if (changed || queue.month !== month) save(call, "queue", queueRecord, queueId, { ...queue, month });
}
