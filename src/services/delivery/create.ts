// Founds a group: what its founder signed about it is checked, sealed under the first epoch's key and stored.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { PublicGroup } from "../../mls/public-group.ts";
import type { Handler } from "../ports.ts";
import type { Delivering } from "./fan-out.ts";
import { saveGroup } from "./group-state.ts";
import { drop, find } from "./kept.ts";
import { LEAF_SET_LENGTH } from "./leaf-set.ts";

/**
 * Faults `group/unavailable` for an id that is not reserved; `group/invalid`, `group/policy`, `group/limit` for a
 * GroupInfo that does not hold.
 */
export const create =
  ({ signer }: Delivering): Handler<"ds.create"> =>
  async ({ groupId, groupKey, groupInfo }, call) => {
    await call.tx.lock("group", groupId);
    const reserved = await find(call, "groupReserved", groupId);
    if (reserved === undefined) throw new Fault("group/unavailable");
    // The founder is whoever signed the GroupInfo: one member, in epoch 0.
    const group = PublicGroup.create(groupInfo, signer.publicKey, call.now);
    try {
      if (!equal(group.groupId, groupId)) throw new Fault("group/invalid");
      drop(call, "groupReserved", groupId, reserved);
      const marks = { joined: false, voters: call.arena.take(LEAF_SET_LENGTH) };
      saveGroup(call, { groupId, groupKey }, group, marks);
      return {};
    } finally {
      group.wipe();
    }
  };
