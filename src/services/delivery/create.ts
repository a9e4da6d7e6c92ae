// Founds a group: what its founder signed about it is checked, sealed under the first epoch's key and stored.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { PublicGroup } from "../../mls/public-group.ts";
import type { Handler } from "../ports.ts";
import { saveGroup } from "./group-state.ts";
import { drop, find } from "./kept.ts";

/**
 * Faults `group/unavailable` for an id that is not reserved; `group/invalid`, `group/policy`, `group/limit` for a
 * GroupInfo that does not hold, which leaves the reservation as it is.
 */
export const create: Handler<"ds.create"> = async ({ groupId, groupKey, groupInfo }, call) => {
  await call.tx.lock("group", groupId);
  const reserved = await find(call, "groupReserved", groupId);
  if (reserved === undefined) throw new Fault("group/unavailable");
  // The founder is whoever signed the GroupInfo: one member, in epoch 0.
  const group = PublicGroup.create(groupInfo, call.now);
  try {
    if (!equal(group.groupId, groupId)) throw new Fault("group/invalid");
    drop(call, "groupReserved", groupId, reserved);
    saveGroup(call, groupId, groupKey, group);
    return {};
  } finally {
    group.wipe();
  }
};
