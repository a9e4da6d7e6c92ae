// How much a pseudonym asks of the house in a day: counted, so that one member cannot fill everybody's queue.
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { decode, encode, struct, u32 } from "../../wire/codec.ts";
import { operations } from "../../wire/operations.ts";
import type { Call } from "../ports.ts";
import { find, keep } from "./kept.ts";

const { requestsPerDay } = operations["ds.send"].limits;

/** Room `groupUse`. Pseudonyms are random: no key is needed to hide them. */
export const groupUseRecord = struct({ count: u32 });
export const useName = (call: Call, groupId: Uint8Array, pseudonym: Uint8Array): Buffer =>
  derive(call.arena.take(32), "groupUse", undefined, groupId, pseudonym);

/** Counts one request of a member. Fault `group/limit` when its day (UTC) is used up. The caller holds the group's lock. */
export async function countUse(call: Call, groupId: Uint8Array, pseudonym: Uint8Array): Promise<void> {
  const name = useName(call, groupId, pseudonym);
  const before = await find(call, "groupUse", name);
  const count = (before === undefined ? 0 : decode(groupUseRecord, before.value).count) + 1;
  if (count > requestsPerDay) throw new Fault("group/limit");
  keep(
    call,
    "groupUse",
    name,
    encode(groupUseRecord, { count }, (size) => call.arena.take(size)),
    before,
  );
}
