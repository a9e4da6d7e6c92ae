// Leaves a sealed connection request for a user. The answer never tells whether it was kept.
import { randomFill } from "../../crypto/random.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { directQueueRecord, load, nameRecord, save } from "./records.ts";

const { waitingPerTarget } = operations["as.connect"].limits;

export const connect: Handler<"as.connect"> = async ({ name, offer }, call) => {
  const target = await load(call, "name", nameRecord, name);
  // For an unknown name the same steps are taken under an id that nobody has.
  const userId = target?.userId ?? randomFill(call.arena.take(16));
  await call.tx.lock("directQueue", userId);
  const { next, acknowledged } = (await load(call, "directQueue", directQueueRecord, userId)) ?? {
    next: 1,
    acknowledged: 0,
  };
  if (target === undefined || next - 1 - acknowledged >= waitingPerTarget) return {};
  call.tx.putAt("directItem", userId, next, offer);
  save(call, "directQueue", directQueueRecord, userId, { next: next + 1, acknowledged });
  return {};
};
