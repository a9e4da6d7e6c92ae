// Files a queue under another friendship token: who knows only the old one claims nothing any more.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import type { Handler } from "../ports.ts";
import { ownedQueue, saveOwned } from "./owner.ts";
import { friendshipName, friendshipRecord, save } from "./records.ts";

/**
 * Faults `queue/exists` for a token that is taken, `queue/limit` for one that does not count any more: neither a retry
 * nor a replay may bring back a token that was replaced.
 */
export const rotateFriendship: Handler<"qs.rotateFriendship"> = async (request, call) => {
  const { tx } = call;
  const { queueId } = request;
  await tx.lock("keyPackage", queueId);
  const [old, next] = [
    friendshipName(call, request.friendshipToken),
    friendshipName(call, request.nextFriendshipToken),
  ];
  await tx.lock("friendship", old, next);
  await tx.lock("queue", queueId);
  const queue = await ownedQueue(call, queueId);
  if (equal(queue.friendship, next)) return {};
  if (!equal(queue.friendship, old)) throw new Fault("queue/limit");
  if ((await tx.get("friendship", next)) !== undefined) throw new Fault("queue/exists");
  tx.delete("friendship", old);
  save(call, "friendship", friendshipRecord, next, { queueId });
  saveOwned(call, queueId, { ...queue, friendship: next }, true);
  return {};
};
