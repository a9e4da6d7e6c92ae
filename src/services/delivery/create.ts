// Founds a group: what its founder signed about it is checked, sealed under the first epoch's key and stored.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { PublicGroup } from "../../mls/public-group.ts";
import type { Handler } from "../ports.ts";
import { saveGroup } from "./group-state.ts";

/** Faults `group/exists`; `group/invalid`, `group/policy`, `group/limit` for a GroupInfo that does not hold. */
export const create: Handler<"ds.create"> = async ({ groupId, groupKey, groupInfo }, call) => {
  // The founder is whoever signed the GroupInfo: one member, in epoch 0.
  const group = PublicGroup.create(groupInfo, call.now);
  try {
    if (!equal(group.groupId, groupId)) throw new Fault("group/invalid");
    await call.tx.lock("group", groupId);
    if ((await call.tx.get("group", groupId)) !== undefined) throw new Fault("group/exists");
    saveGroup(call, groupId, groupKey, group);
    return {};
  } finally {
    group.wipe();
  }
};
