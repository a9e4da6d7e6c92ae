// Ends a group: an admin's commit that leaves nobody else in it is passed on, and all that is kept of the group goes.
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import { delivery, type Delivering } from "./fan-out.ts";
import { asMember } from "./in-epoch.ts";
import { drop, find } from "./kept.ts";
import { endRun } from "./run.ts";

/** Faults as of `ds.commit`; `group/policy` also where others are left. */
export const end =
  ({ queue }: Delivering): Handler<"ds.delete"> =>
  (request, call) =>
    asMember(call, request, async ({ group, kept }, made) => {
      const { groupId, leaf, commit, groupInfo } = request;
      const staged = group.validateCommit({ commit, groupInfo, now: call.now });
      made.push(staged.next);
      if (staged.committer !== leaf) throw new Fault("group/invalid");
      if (staged.next.memberCount !== 1) throw new Fault("group/policy");
      const members = Array.from(group.handles(), ([, handle]) => handle);
      await queue.enqueue(call, [delivery(call, "commit", commit, members)]);
      const run = await find(call, "groupRun", groupId);
      if (run !== undefined) endRun(call, groupId, run);
      drop(call, "group", groupId, kept);
      return {};
    });
