// Replaces the list of handle tags from which a queue's owner wants nothing.
import { Fault } from "../../fault.ts";
import { BLOCKED_LENGTH } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { blocklist, blocklistName, isAscending } from "./blocklist.ts";
import { ownedQueue, saveOwned } from "./owner.ts";
import { save } from "./records.ts";

/** Faults: `queue/limit` for a number that is neither the next nor the last one, `wire/malformed` for a list out of order. */
export const block: Handler<"qs.block"> = async ({ queueId, number, salt, digests }, call) => {
  await call.tx.lock("queue", queueId);
  const queue = await ownedQueue(call, queueId);
  if (!isAscending(digests)) throw new Fault("wire/malformed");
  if (number > 0 && number === queue.blockNumber) return {};
  if (number !== queue.blockNumber + 1) throw new Fault("queue/limit");
  const blocked = digests.length / BLOCKED_LENGTH;
  save(call, "queue", blocklist, blocklistName(call.arena, queueId), { salt, digests });
  saveOwned(call, queueId, { ...queue, blockNumber: number, blocked }, true);
  return {};
};
