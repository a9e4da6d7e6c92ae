// Replaces all KeyPackages of a queue's owner.
import { SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { encode } from "../../wire/codec.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { keptOf } from "./lifetimes.ts";
import { ownedQueue, saveOwned } from "./owner.ts";
import { dayOf, keyPackageRecord, load, PUBLICATIONS, save } from "./records.ts";

const { lifetimeDays } = operations["qs.publish"].limits;

/** Fault `queue/limit` for a KeyPackage whose last day is over or too far off. */
export const publish: Handler<"qs.publish"> = async (request, call) => {
  const { queueId, keyPackages, lastResort } = request;
  await call.tx.lock("keyPackage", queueId);
  await call.tx.lock("queue", queueId);
  const queue = await ownedQueue(call, queueId);
  const today = dayOf(call.now);
  for (const { sealed, notAfter } of [...keyPackages, lastResort]) {
    if (sealed.length <= SEAL_OVERHEAD) throw new Fault("wire/malformed");
    if (notAfter < today || notAfter > today + lifetimeDays) throw new Fault("queue/limit");
  }
  const whole = encode(operations["qs.publish"].request, request, (size) => call.arena.take(size));
  const publication = derive(call.arena.take(32), "publication", undefined, whole);
  // Neither a retry nor a replay may bring back what was claimed since: a KeyPackage is used once.
  const known = await load(call, "keyPackage", keyPackageRecord, queueId);
  const before = known?.publications ?? [];
  if (before.some((earlier) => equal(earlier, publication))) return {};
  const publications = [publication, ...before.slice(0, PUBLICATIONS - 1)];
  const record = {
    keyPackages,
    lastResort: [lastResort],
    publications,
    claimDay: known?.claimDay ?? 0,
    claims: known?.claims ?? 0,
  };
  save(call, "keyPackage", keyPackageRecord, queueId, record);
  saveOwned(call, queueId, { ...queue, ...keptOf(record, false) }, true);
  return {};
};
