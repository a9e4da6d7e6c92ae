// Takes a group into its next epoch: one commit an epoch, with its GroupInfo, Welcome and fan-out in one batch.
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import type { Delivering } from "./fan-out.ts";
import { asMember } from "./in-epoch.ts";
import { nextEpoch } from "./next-epoch.ts";

/**
 * Of either size. Faults `group/unavailable`, `auth/signature`, `group/epoch`, `group/proposals`, `group/invalid`,
 * `group/policy`, `group/limit`.
 */
export const commit =
  (service: Delivering): Handler<"ds.commit"> & Handler<"ds.commitLarge"> =>
  (request, call) =>
    asMember(call, request, async (opened, made) => {
      const { groupId, groupKey, nextGroupKey, leaf, commit: bytes, groupInfo } = request;
      const optional = {
        ...(request.welcome.length > 0 && { welcome: request.welcome }),
        ...(request.recovery.length > 0 && { recovery: request.recovery }),
      };
      const staged = opened.group.validateCommit({ commit: bytes, groupInfo, ...optional, now: call.now });
      made.push(staged.next);
      // A member speaks for itself: nobody hands in another's commit.
      if (staged.committer !== leaf) throw new Fault("group/invalid");
      const advance = {
        groupId,
        groupKey,
        nextGroupKey,
        commit: bytes,
        committer: leaf,
        removed: staged.removed.map((one) => one.leaf),
        evicts: staged.removed.some(({ byReference }) => !byReference),
        ...optional,
      };
      await nextEpoch(service, call, opened, staged, advance, made);
      return {};
    });
