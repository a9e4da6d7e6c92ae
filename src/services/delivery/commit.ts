// Takes a group into its next epoch: one commit an epoch, with its GroupInfo, Welcome and fan-out in one batch.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import type { PublicGroup, StagedCommit } from "../../mls/public-group.ts";
import { operations, type RequestOf } from "../../wire/operations.ts";
import type { Call, Delivery, DeliveryToQueue, Handler } from "../ports.ts";
import { delivery } from "./fan-out.ts";
import { asMember, saveGroup } from "./group-state.ts";

const { members } = operations["ds.commit"].limits;
type Request = RequestOf<"ds.commit">;

/** Faults `group/unavailable`, `auth/signature`, `group/epoch`, `group/invalid`, `group/policy`, `group/limit`. */
export const commit =
  (queue: DeliveryToQueue): Handler<"ds.commit"> =>
  (request, call) =>
    asMember(call, request, async (group, kept) => {
      const welcome = request.welcome.length === 0 ? undefined : request.welcome;
      const staged = group.validateCommit(request.commit, request.groupInfo, welcome, call.now);
      try {
        check(request, staged);
        saveGroup(call, request.groupId, request.nextGroupKey, staged.next, kept);
        await queue.enqueue(call, deliveries(call, request, group, staged));
        return {};
      } finally {
        staged.next.wipe();
      }
    });

function check({ leaf, groupKey, nextGroupKey }: Request, { committer, next }: StagedCommit): void {
  // A member speaks for itself: nobody hands in another's commit.
  if (committer !== leaf) throw new Fault("group/invalid");
  // Who was removed knows the old key.
  if (equal(groupKey, nextGroupKey)) throw new Fault("group/invalid");
  if (next.memberCount > members) throw new Fault("group/limit");
}

/**
 * The commit to all members of the epoch it ends: its sender is confirmed and the removed learn of it. The Welcome to
 * those it adds.
 */
function deliveries(call: Call, request: Request, group: PublicGroup, { added, next }: StagedCommit): Delivery[] {
  const before = Array.from(group.handles(), ([, handle]) => handle);
  const list = [delivery(call, "commit", request.commit, before)];
  if (added.length > 0) {
    const handles = added.flatMap((index) => next.leaf(index)?.handle ?? []);
    list.push(delivery(call, "welcome", request.welcome, handles));
  }
  return list;
}
