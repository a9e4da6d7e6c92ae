// Puts a queue's ratchet on a fresh secret of its owner: a chain that was stolen opens nothing that comes after.
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import { ownedQueue, saveOwned } from "./owner.ts";
import { releasedAnew } from "./rollback.ts";

/** Fault `queue/limit` for a generation that is neither the next nor the last one. */
export const refresh: Handler<"qs.refresh"> = async ({ queueId, generation, ratchetSecret }, call) => {
  await call.tx.lock("queue", queueId);
  const queue = await ownedQueue(call, queueId);
  if (generation > 0 && generation === queue.generation) return { from: queue.from };
  if (generation !== queue.generation + 1) throw new Fault("queue/limit");
  const from = queue.next;
  saveOwned(call, queueId, { ...queue, chain: ratchetSecret, generation, from, released: releasedAnew(queue) }, true);
  return { from };
};
