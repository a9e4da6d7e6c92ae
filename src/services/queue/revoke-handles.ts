// Ends all of a queue's handles that were minted before a generation, wherever they have come to.
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import { ownedQueue, saveOwned } from "./owner.ts";

/**
 * Fault `queue/limit` for a generation that is neither the next nor the current one. What is sent to an earlier handle is
 * dropped as from a blocked group: nobody but the owner learns that it was revoked, and no group removes anybody for it.
 */
export const revokeHandles: Handler<"qs.revokeHandles"> = async ({ queueId, generation }, call) => {
  await call.tx.lock("queue", queueId);
  const queue = await ownedQueue(call, queueId);
  if (generation === queue.handleGeneration) return {};
  if (generation !== queue.handleGeneration + 1) throw new Fault("queue/limit");
  saveOwned(call, queueId, { ...queue, handleGeneration: generation }, true);
  return {};
};
