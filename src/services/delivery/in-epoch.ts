// A member's request that leaves its group in its epoch: authenticated, counted, and what the house itself has to do.
import { monthOf } from "../../mls/public-state.ts";
import type { PublicGroup, PublicLeaf } from "../../mls/public-group.ts";
import type { Call, Delivery } from "../ports.ts";
import type { Delivering } from "./fan-out.ts";
import { authenticate, openGroup, saveGroup, type Member, type OpenedGroup } from "./group-state.ts";
import { periodOf } from "./kept.ts";
import { announce, inactive, leavesOf, propose, type Made } from "./removals.ts";
import { confirm } from "./run.ts";
import { countUse } from "./use.ts";

export interface Done {
  /** The group where the request changed it. */
  readonly group?: PublicGroup;
  readonly deliveries?: readonly Delivery[];
  /** The deliveries are for few: a queue that is gone is found by the next that are for all. */
  readonly forFew?: true;
}

/**
 * Runs `work` on the group and the leaf that signed the request, with the group locked. Faults `group/unavailable` for
 * an unknown group as for a key that does not open it, `auth/signature` for an empty leaf as for a forged signature,
 * `group/limit` for a member whose day is used up.
 */
export async function asMember<T>(
  call: Call,
  member: Member,
  work: (opened: OpenedGroup & { readonly signer: PublicLeaf }, made: Made) => Promise<T>,
): Promise<T> {
  const opened = await openGroup(call, member);
  const made: Made = [];
  try {
    const signer = authenticate(call, opened.group, member.leaf);
    await countUse(call, member.groupId, signer.pseudonym);
    await confirm(call, member.groupId, opened.record.voters, member.leaf);
    return await work({ ...opened, signer }, made);
  } finally {
    for (const group of made) group.wipe();
    opened.group.wipe();
  }
}

/** As `asMember`; then sends what `work` made and stores the group where it has changed. */
export const inEpoch = (
  service: Delivering,
  call: Call,
  member: Member,
  work: (group: PublicGroup, made: Made) => Done,
): Promise<Record<string, never>> =>
  asMember(call, member, async (opened, made) => {
    const { leaf } = member;
    const done = work(opened.group, made);
    let group = done.group ?? opened.group;
    const deliveries = [...(done.deliveries ?? [])];
    const { forFew = false } = done;
    const month = monthOf(call.now);
    if (opened.signer.month !== month) {
      made.push((group = group.withMonth(leaf, month)));
      const changed = propose(service, group, inactive(call, group, leaf), made);
      group = changed.group;
      deliveries.push(...announce(call, changed));
    }
    group = await fanOut(service, call, { group, deliveries, asker: leaf, forFew }, made);
    if (group !== opened.group || opened.kept.partition !== periodOf(call, "group")) {
      saveGroup(call, member, group, opened.record, opened.kept);
    }
    return {};
  });

export interface FanOut {
  readonly group: PublicGroup;
  readonly deliveries: readonly Delivery[];
  /** For whom no removal is proposed. */
  readonly asker: number;
  readonly forFew?: boolean;
}

/** Sends, proposes to remove those whose queue is gone, and gives the group with these proposals. */
export async function fanOut(
  service: Delivering,
  call: Call,
  { group, deliveries, asker, forFew = false }: FanOut,
  made: Made,
): Promise<PublicGroup> {
  if (deliveries.length === 0) return group;
  const own = group.leaf(asker)?.handle;
  const { gone } = await service.queue.enqueue(call, deliveries, own === undefined ? [] : [own]);
  if (gone.length === 0 || forFew) return group;
  const changed = propose(service, group, leavesOf(group, gone, asker), made);
  const proposals = announce(call, changed);
  if (proposals.length > 0) await service.queue.enqueue(call, proposals);
  return changed.group;
}
