// Hands out one sealed KeyPackage of whoever gave the claimer a friendship token.
import { randomFill } from "../../crypto/random.ts";
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import { friendshipName, friendshipRecord, keyPackageRecord, load, save } from "./records.ts";

/** Fault `queue/no-key-package` for an unknown token as for an owner that has published nothing. */
export const claim: Handler<"qs.claim"> = async ({ friendshipToken }, call) => {
  // Read without its lock: a friendship is never changed, and its rank is above the one needed next.
  const friendship = await load(call, "friendship", friendshipRecord, friendshipName(call, friendshipToken));
  // An unknown token looks for KeyPackages as well, under a name that no queue has.
  const queueId = friendship?.queueId ?? randomFill(call.arena.take(16));
  await call.tx.lock("keyPackage", queueId);
  const record = await load(call, "keyPackage", keyPackageRecord, queueId);
  if (record === undefined) throw new Fault("queue/no-key-package");
  const [keyPackage, ...rest] = record.keyPackages;
  if (keyPackage === undefined) return { keyPackage: record.lastResort };
  save(call, "keyPackage", keyPackageRecord, queueId, { ...record, keyPackages: rest });
  return { keyPackage };
};
