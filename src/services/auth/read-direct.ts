// Gives a client the connection requests that wait for its user, after those that it acknowledged.
import { Fault } from "../../fault.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { signedInAny } from "./client.ts";
import { acknowledged, loadQueue, offerOf, positionOf, saveQueue, withoutOld } from "./direct-queue.ts";

const { itemsPerRead } = operations["as.readDirect"].limits;

/** Fault `queue/limit` for acknowledging what was never there. */
export const readDirect: Handler<"as.readDirect"> = async ({ userId, clientId, acknowledge }, call) => {
  const { tx } = call;
  // The lock comes first: whoever is deleted meanwhile shall not leave a queue behind.
  await tx.lock("directQueue", userId);
  const { account } = await signedInAny(call, { userId, clientId });
  const before = await loadQueue(call, userId);
  if (acknowledge >= before.next) throw new Fault("queue/limit");
  const young = await withoutOld(call, userId, before);
  const done = Math.max(acknowledge, positionOf(young, clientId));
  const after =
    done > positionOf(young, clientId)
      ? acknowledged(call, userId, young, account.clients, { clientId, upTo: done })
      : young;
  if (after !== before) saveQueue(call, userId, after);
  const found = await tx.range("directItem", userId, done + 1, after.next, itemsPerRead);
  return { items: found.map(({ sequence, value }) => ({ sequence, offer: offerOf(value) })) };
};
