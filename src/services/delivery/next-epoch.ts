// Takes a group into its next epoch: the new state, its key, what is kept of the epoch that ends, and the fan-out.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { monthOf } from "../../mls/public-state.ts";
import type { StagedCommit } from "../../mls/public-group.ts";
import type { Call, Delivery } from "../ports.ts";
import { delivery, type Delivering } from "./fan-out.ts";
import { saveGroup, type OpenedGroup } from "./group-state.ts";
import { fanOut } from "./in-epoch.ts";
import { hasStep, keepStep } from "./ladder.ts";
import { announce, inactive, propose, type Made } from "./removals.ts";
import { advanceRun } from "./run.ts";

export interface Advance {
  readonly groupId: Uint8Array;
  readonly groupKey: Uint8Array;
  readonly nextGroupKey: Uint8Array;
  readonly commit: Uint8Array;
  /** For those who are added. */
  readonly welcome?: Uint8Array;
  /** The next key for those who stay, where others are removed. */
  readonly recovery?: Uint8Array;
  /** Leaf of who commits, in the epoch that ends; undefined for one who joins by its own commit. */
  readonly committer: number | undefined;
  /** Leaves that go, and whether that can never be undone (run.ts). */
  readonly removed: readonly number[];
  readonly final: boolean;
  /** Leaves that this commit adds by an admin's authority, in the epoch that begins. */
  readonly admitted: readonly number[];
}

/** Fault `group/invalid` for a key that an epoch had before; `group/limit` for a state that is too long. */
export async function nextEpoch(
  service: Delivering,
  call: Call,
  opened: OpenedGroup,
  staged: StagedCommit,
  advance: Advance,
  made: Made,
): Promise<void> {
  const { groupId, groupKey, nextGroupKey, committer } = advance;
  const keys = { groupId, groupKey };
  // Who was removed knows the old key. A key of an epoch before would cover what is kept under its name, of a run's
  // beginning too, and make a circle of the way from key to key.
  const used = equal(groupKey, nextGroupKey) || (await hasStep(call, { groupId, groupKey: nextGroupKey }));
  if (used) throw new Fault("group/invalid");
  // Proposals end with their epoch: those that an external commit could not take up are made again (RFC 9420 12.2).
  const due = [...staged.lapsed];
  if (committer !== undefined && opened.group.leaf(committer)?.month !== monthOf(call.now)) {
    due.push(...inactive(call, staged.next, staged.committer));
  }
  const changed = propose(
    service,
    staged.next,
    due.filter((leaf) => leaf !== staged.committer),
    made,
  );
  const deliveries = [...messages(call, opened, staged, advance), ...announce(call, changed)];
  const group = await fanOut(service, call, { group: changed.group, deliveries, asker: staged.committer }, made);

  const joined = staged.added.length > 0;
  const { voters, keepState } = await advanceRun(call, keys, opened, advance);
  saveGroup(call, { groupId, groupKey: nextGroupKey }, group, { joined, voters }, opened.kept);
  keepState();
  keepStep(call, keys, { groupKey: nextGroupKey, ...(advance.recovery && { recovery: advance.recovery }) });
}

/**
 * The commit to all members of the epoch it ends, the removed among them, and to its sender, for whom it is the
 * confirmation, where it is from now on. The Welcome to those it adds.
 */
function messages(call: Call, { group }: OpenedGroup, staged: StagedCommit, advance: Advance): Delivery[] {
  const { next, added } = staged;
  const others = Array.from(group.handles()).flatMap(([leaf, handle]) => (leaf === advance.committer ? [] : [handle]));
  const own = next.leaf(staged.committer)?.handle;
  const list = [delivery(call, "commit", advance.commit, own === undefined ? others : [...others, own])];
  if (advance.welcome !== undefined) {
    const handles = added.flatMap((index) => next.leaf(index)?.handle ?? []);
    list.push(delivery(call, "welcome", advance.welcome, handles));
  }
  return list;
}
