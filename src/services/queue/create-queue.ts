// Opens a queue for a pseudonym, and files it under the token its contacts will know it by.
import { randomFill } from "../../crypto/random.ts";
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import { NOTHING_PUBLISHED } from "./lifetimes.ts";
import { register } from "./look-row.ts";
import { friendshipName, friendshipRecord, monthOf, queueRecord, save } from "./records.ts";

export const createQueue: Handler<"qs.createQueue"> = async (request, call) => {
  const queueId = randomFill(call.arena.take(16));
  const friendship = friendshipName(call, request.friendshipToken);
  await call.tx.lock("friendship", friendship);
  // A contact knows this token too: it must not be able to put a queue of its own in its place.
  if ((await call.tx.get("friendship", friendship)) !== undefined) throw new Fault("queue/exists");
  save(call, "friendship", friendshipRecord, friendship, { queueId });
  const start = randomFill(call.arena.take(4)).readUInt32BE();
  save(call, "queue", queueRecord, queueId, {
    ownerKey: request.ownerKey,
    chain: request.ratchetSecret,
    next: 1,
    acknowledged: 0,
    lostBefore: 0,
    written: start,
    released: start,
    expired: 0,
    generation: 0,
    from: 1,
    friendship,
    handleGeneration: 0,
    blockNumber: 0,
    blocked: 0,
    ...NOTHING_PUBLISHED,
    month: monthOf(call.now),
    ...register(call, queueId),
  });
  return { queueId };
};
