// Gives a user the connection requests that wait, after deleting those acknowledged.
import { Fault } from "../../fault.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { signedIn } from "./client.ts";
import { directQueueRecord, load, save } from "./records.ts";

const { itemsPerRead } = operations["as.readDirect"].limits;

/** Fault `queue/limit` for acknowledging what was never there. */
export const readDirect: Handler<"as.readDirect"> = async ({ userId, clientId, acknowledge }, call) => {
  const { tx } = call;
  await signedIn(call, userId, clientId);
  await tx.lock("directQueue", userId);
  const { next, acknowledged } = (await load(call, "directQueue", directQueueRecord, userId)) ?? {
    next: 1,
    acknowledged: 0,
  };
  if (acknowledge >= next) throw new Fault("queue/limit");
  const done = Math.max(acknowledge, acknowledged);
  if (done > acknowledged) {
    tx.deleteRange("directItem", userId, acknowledged + 1, done + 1);
    save(call, "directQueue", directQueueRecord, userId, { next, acknowledged: done });
  }
  const found = await tx.range("directItem", userId, done + 1, next, itemsPerRead);
  return { items: found.map(({ sequence, value }) => ({ sequence, offer: value })) };
};
