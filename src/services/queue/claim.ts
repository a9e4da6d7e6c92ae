// Hands out one sealed KeyPackage of whoever gave the claimer a friendship token.
import { randomFill } from "../../crypto/random.ts";
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import { operations } from "../../wire/operations.ts";
import { goodOn, keptOf } from "./lifetimes.ts";
import { dayOf, friendshipName, friendshipRecord, keyPackageRecord, load, queueRecord, save } from "./records.ts";

const { claimsPerTargetAndDay } = operations["qs.claim"].limits;

/**
 * Faults: `queue/no-key-package` for an unknown token as for an owner that has nothing published that is good today, `queue/limit` when the
 * owner's KeyPackages were claimed too often today, by whomever.
 */
export const claim: Handler<"qs.claim"> = async ({ friendshipToken }, call) => {
  // Read without its lock, whose rank is above the one needed next; looked at again once that is held.
  const name = friendshipName(call, friendshipToken);
  const friendship = await load(call, "friendship", friendshipRecord, name);
  // An unknown token looks for KeyPackages as well, under a name that no queue has.
  const queueId = friendship?.queueId ?? randomFill(call.arena.take(16));
  await call.tx.lock("keyPackage", queueId);
  const record = await load(call, "keyPackage", keyPackageRecord, queueId);
  if (record === undefined || (await call.tx.get("friendship", name)) === undefined) {
    throw new Fault("queue/no-key-package");
  }
  const claimDay = dayOf(call.now);
  const claims = record.claimDay === claimDay ? record.claims : 0;
  if (claims >= claimsPerTargetAndDay) throw new Fault("queue/limit");
  const { good, expired } = goodOn(record, claimDay);
  const [first, ...rest] = good.keyPackages;
  const claimed = first ?? good.lastResort[0];
  if (claimed === undefined) throw new Fault("queue/no-key-package");
  await call.tx.lock("queue", queueId);
  const queue = await load(call, "queue", queueRecord, queueId);
  if (queue === undefined) throw new Fault("queue/no-key-package");
  const left = { ...good, keyPackages: rest, claimDay, claims: claims + 1 };
  save(call, "keyPackage", keyPackageRecord, queueId, left);
  const kept = keptOf(left, expired || queue.keyPackagesExpired === 1);
  save(call, "queue", queueRecord, queueId, { ...queue, ...kept });
  return { keyPackage: claimed.sealed };
};
