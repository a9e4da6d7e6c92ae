// Leaves a sealed connection request for a user or an alias. The answer never tells whether it was kept.
import { randomFill } from "../../crypto/random.ts";
import { equal } from "../../memory/locked.ts";
import { decode, encode, struct, u32 } from "../../wire/codec.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { append, loadQueue, saveQueue, withoutOld } from "./direct-queue.ts";
import { loadName } from "./names.ts";
import { dayOf, isOver } from "./records.ts";

const { waitingPerTarget, perTargetAndDay } = operations["as.connect"].limits;

/** Room `targetUse`, name = user id, partition = day. Who asked is not known, so it is not counted either. */
export const targetUseRecord = struct({ count: u32 });

export const connect: Handler<"as.connect"> = async ({ name, offer }, call) => {
  const { arena, tx, now } = call;
  // For an unknown name the same steps are taken under an id that nobody has.
  const userId = (await loadName(call, name))?.userId ?? randomFill(arena.take(16));
  await tx.lock("directQueue", userId);
  // Once more: whoever is deleted meanwhile shall not leave a queue behind.
  const found = await loadName(call, name);
  const target = found !== undefined && equal(found.userId, userId) && !isOver(found, now) ? found : undefined;
  const partition = dayOf(now);
  const used = await tx.get("targetUse", userId, { partition });
  const count = used === undefined ? 0 : decode(targetUseRecord, used).count;
  const before = await loadQueue(call, userId);
  const queue = await withoutOld(call, userId, before);
  const full = queue.next - 1 - queue.released >= waitingPerTarget;
  if (target === undefined || full || count >= perTargetAndDay) {
    if (queue !== before) saveQueue(call, userId, queue);
    return {};
  }
  append(call, userId, queue, offer);
  const record = encode(targetUseRecord, { count: count + 1 }, (size) => arena.take(size));
  tx.put("targetUse", userId, record, { partition });
  return {};
};
