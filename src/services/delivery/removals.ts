// The removals that the house proposes itself: of leaves that were away too long, and of those whose queue is gone.
import { equal } from "../../memory/locked.ts";
import type { PublicGroup } from "../../mls/public-group.ts";
import { monthOf } from "../../mls/public-state.ts";
import { MAX_PENDING } from "../../mls/suite.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, Delivery } from "../ports.ts";
import { delivery, type Delivering } from "./fan-out.ts";

const { inactiveMonths } = operations["ds.commit"].limits;
/** Proposals made in one request, each of which goes to every member: the others follow with later ones. */
const AT_ONCE = 4;

export interface Changed {
  readonly group: PublicGroup;
  /** The messages, not yet sent. */
  readonly proposals: readonly Uint8Array[];
}

/** A group with everything that was made on the way to it, for the caller to wipe. */
export type Made = PublicGroup[];

const isPending = (group: PublicGroup, leaf: number): boolean => group.pending.some((one) => one.leaf === leaf);

/** Proposes to remove `leaves`, but not those that are gone or go already, and no more than may wait at once. */
export function propose({ signer }: Delivering, group: PublicGroup, leaves: readonly number[], made: Made): Changed {
  const proposals: Uint8Array[] = [];
  let changed = group;
  for (const leaf of leaves) {
    if (changed.pending.length >= MAX_PENDING) break;
    if (changed.leaf(leaf) === undefined || isPending(changed, leaf)) continue;
    const { next, proposal } = changed.proposeRemoval(leaf, signer.sign);
    made.push((changed = next));
    proposals.push(proposal);
  }
  return { group: changed, proposals };
}

/** Leaves, but not the asker's, that have not asked for anything in so many months. */
export function inactive(call: Call, group: PublicGroup, asker: number): number[] {
  const oldest = monthOf(call.now) - inactiveMonths;
  const away = Array.from(group.entries()).flatMap(([leaf, { month }]) =>
    leaf !== asker && month < oldest && !isPending(group, leaf) ? [leaf] : [],
  );
  return away.slice(0, AT_ONCE);
}

/** Leaves, but not the asker's, whose handle is one of `gone`. */
export function leavesOf(group: PublicGroup, gone: readonly Uint8Array[], asker: number): number[] {
  const leaves = Array.from(group.handles()).flatMap(([leaf, handle]) =>
    leaf !== asker && gone.some((one) => equal(one, handle)) && !isPending(group, leaf) ? [leaf] : [],
  );
  return leaves.slice(0, AT_ONCE);
}

/** One item a proposal, to all members. */
export function announce(call: Call, { group, proposals }: Changed): Delivery[] {
  if (proposals.length === 0) return [];
  const handles = Array.from(group.handles(), ([, handle]) => handle);
  return proposals.map((proposal) => delivery(call, "proposal", proposal, handles));
}
