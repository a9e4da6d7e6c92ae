// Commits from outside the ratchet tree (RFC 9420 section 12.4.3.2): a member that lost track takes its own place anew, and
// the second party of a connection comes in.
import type { Handler } from "../ports.ts";
import type { Delivering } from "./fan-out.ts";
import { openGroup } from "./group-state.ts";
import { asMember } from "./in-epoch.ts";
import { nextEpoch } from "./next-epoch.ts";
import type { Made } from "./removals.ts";
import { countUse } from "./use.ts";

const stays = { removed: [], final: false, admitted: [] } as const;

/** Faults as of `ds.commit`; `leaf` is the one that the member had, which signs as before. */
export const resync =
  (service: Delivering): Handler<"ds.resync"> =>
  (request, call) =>
    asMember(call, request, async (opened, made) => {
      const { groupId, groupKey, nextGroupKey, leaf, commit, groupInfo } = request;
      const staged = opened.group.validateResync({ commit, groupInfo, leaf, now: call.now });
      made.push(staged.next);
      const advance = { groupId, groupKey, nextGroupKey, commit, committer: leaf, ...stays };
      await nextEpoch(service, call, opened, staged, advance, made);
      return {};
    });

/** Faults as of `ds.commit`, `group/policy` also for a group that is no connection or has its two members. */
export const join =
  (service: Delivering): Handler<"ds.join"> =>
  async ({ groupId, groupKey, nextGroupKey, commit, groupInfo }, call) => {
    const opened = await openGroup(call, { groupId, groupKey });
    const made: Made = [];
    try {
      const staged = opened.group.validateJoin({ commit, groupInfo, now: call.now });
      made.push(staged.next);
      call.authenticate(staged.newcomer.signaturePublicKey);
      await countUse(call, groupId, staged.newcomer.pseudonym);
      const advance = { groupId, groupKey, nextGroupKey, commit, committer: undefined, ...stays };
      await nextEpoch(service, call, opened, staged, advance, made);
      return {};
    } finally {
      for (const group of made) group.wipe();
      opened.group.wipe();
    }
  };
