// Takes a group into its next epoch: one commit an epoch, with its GroupInfo, Welcome and fan-out in one batch.
import { Fault } from "../../fault.ts";
import { includes, policyAfter, samePolicy } from "../../mls/policy.ts";
import type { PublicGroup, StagedCommit } from "../../mls/public-group.ts";
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
        final: isFinal(opened.group, staged),
        admitted: includes(opened.group.policy.admins, opened.signer.pseudonym) ? staged.added : [],
        ...optional,
        // also where it is empty, since nobody but the committer stays: the removed must not be told the next key
        ...(staged.removed.length > 0 && { recovery: request.recovery }),
      };
      await nextEpoch(service, call, opened, staged, advance, made);
      return {};
    });

/** What only an admin can do, no vote of others takes back: a removal by value, a change of the policy of its own. */
function isFinal(group: PublicGroup, { next, removed }: StagedCommit): boolean {
  if (removed.some(({ byReference }) => !byReference)) return true;
  const gone = new Set(removed.map(({ leaf }) => leaf));
  const remaining = Array.from(group.entries()).flatMap(([leaf, { pseudonym }]) => (gone.has(leaf) ? [] : [pseudonym]));
  const followed = gone.size === 0 ? group.policy : policyAfter(group.policy, remaining);
  return !samePolicy(followed, next.policy);
}
