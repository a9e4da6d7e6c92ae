// Commits that nobody has confirmed yet. The house cannot see whether others can follow a commit, so until one of those
// who were members before has made a request in a newer epoch, they can vote it undone.
import { openInto, sealInto, SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { decode, encode, fixed, struct, u8, type ValueOf } from "../../wire/codec.ts";
import type { Call } from "../ports.ts";
import { drop, find, keep, type Kept } from "./kept.ts";
import { countOf, exclude, holds, include, leavesIn, LEAF_SET_LENGTH } from "./leaf-set.ts";
import type { OpenedGroup } from "./group-state.ts";
import { epochName, type GroupKeys } from "./state-record.ts";

/** Room `groupRun`, name = group id. */
export const groupRunRecord = struct({
  /** Name of the state (room `groupEpoch`) in which the run began; kept in the same period. */
  before: fixed(32),
  /** 1 when that state is also kept for those who come late. */
  joined: u8,
  /** Leaf set: those whom later commits of the run removed, by reference: they vote no more. */
  removed: fixed(LEAF_SET_LENGTH),
});
/** Room `groupVote`, named as the state in which the run began, sealed under its epoch's key. */
const votesRecord = struct({ voters: fixed(LEAF_SET_LENGTH), votes: fixed(LEAF_SET_LENGTH) });
export type Votes = ValueOf<typeof votesRecord>;

const empty = (call: Call): Buffer => call.arena.take(LEAF_SET_LENGTH);
const votesKey = (call: Call, { groupId, groupKey }: GroupKeys): Buffer =>
  derive(call.arena.take(32), "groupVotes", groupKey, groupId);

/** A request of `leaf` in the group's current epoch: that of one of `voters` ends the run. The caller holds the group's lock. */
export async function confirm(call: Call, groupId: Uint8Array, voters: Uint8Array, leaf: number): Promise<void> {
  if (!holds(voters, leaf)) return;
  const kept = await find(call, "groupRun", groupId);
  if (kept !== undefined) endRun(call, groupId, kept);
}

/** Nothing that led here can be undone any more. */
export function endRun(call: Call, groupId: Uint8Array, kept: Kept): void {
  const run = decode(groupRunRecord, kept.value);
  drop(call, "groupRun", groupId, kept);
  if (run.joined === 0) drop(call, "groupEpoch", run.before, kept);
}

/** What a commit does to its group, as far as a run goes. */
export interface Step {
  /** Leaf of who made it, in the epoch that it ends; undefined for one who was no member. */
  readonly committer: number | undefined;
  /** Leaves of that epoch. */
  readonly removed: readonly number[];
  /** An admin removed somebody or changed the policy: that is never undone. Removals by reference would be pending again. */
  readonly final: boolean;
  /**
   * Leaves of the epoch that begins, whose requests confirm it as those of voters do. Of an admin's Adds only: who adds
   * without being one could bring in a second leaf of its own for that, which gives an admin nothing that it has not.
   * Without them a voter that keeps silent could put out by its vote all who came since.
   */
  readonly admitted: readonly number[];
}

export interface Advanced {
  /** Who confirms the run from now on. */
  readonly voters: Uint8Array;
  /**
   * Keeps the state that the commit ends where that is needed: to undo the run, or for those who come late. Its record is
   * sealed where it lies: `opened`, and what was made from it, is not to be used any more.
   */
  keepState(): void;
}

/** Begins a run with this commit, or goes on with the one that is under way. */
export async function advanceRun(call: Call, keys: GroupKeys, opened: OpenedGroup, step: Step): Promise<Advanced> {
  const { groupId } = keys;
  const { record, group } = opened;
  const voters = empty(call);
  const running = await find(call, "groupRun", groupId);
  const name = epochName(call, keys);
  let needed = record.joined;
  if (running === undefined && !step.final) {
    for (const [leaf] of group.handles()) include(voters, leaf);
  } else if (running !== undefined && !step.final) {
    voters.set(record.voters);
  }
  if (step.committer !== undefined) exclude(voters, step.committer);
  for (const leaf of step.removed) exclude(voters, leaf);

  if (running !== undefined) goOn(call, groupId, running, step, voters);
  else if (countOf(voters) > 0) {
    saveRun(call, groupId, { before: name, joined: record.joined ? 1 : 0, removed: empty(call) });
    saveVotes(call, keys, { voters, votes: empty(call) });
    needed = true;
  }
  if (!step.final) for (const leaf of step.admitted) include(voters, leaf);
  return {
    voters,
    keepState() {
      if (needed) keep(call, "groupEpoch", name, record.sealAgain());
    },
  };
}

// Over when nobody is left who could confirm it; who was removed on the way has no vote any more.
function goOn(call: Call, groupId: Uint8Array, running: Kept, { final, removed }: Step, voters: Uint8Array): void {
  if (final || countOf(voters) === 0) endRun(call, groupId, running);
  else if (removed.length > 0) {
    const run = decode(groupRunRecord, running.value);
    for (const leaf of removed) include(run.removed, leaf);
    saveRun(call, groupId, run, running);
  }
}

// In the period in which it began, as the state in which it began.
function saveRun(call: Call, groupId: Uint8Array, run: ValueOf<typeof groupRunRecord>, before?: Kept): void {
  const value = encode(groupRunRecord, run, (size) => call.arena.take(size));
  if (before === undefined) keep(call, "groupRun", groupId, value);
  else call.tx.put("groupRun", groupId, value, { partition: before.partition });
}

export function saveVotes(call: Call, keys: GroupKeys, votes: Votes, before?: Kept): void {
  const plain = encode(votesRecord, votes, (size) => call.arena.take(size));
  const sealed = call.arena.take(plain.length + SEAL_OVERHEAD);
  sealInto(sealed, plain, keys.groupId, votesKey(call, keys));
  keep(call, "groupVote", epochName(call, keys), sealed, before);
}

/** The run that began in the epoch of this key. Fault `group/unavailable` where there is none. */
export async function runFrom(
  call: Call,
  keys: GroupKeys,
): Promise<{ run: Kept; removed: readonly number[]; votes: Votes; kept: Kept }> {
  const name = epochName(call, keys);
  const run = await find(call, "groupRun", keys.groupId);
  const kept = await find(call, "groupVote", name);
  const found = run && decode(groupRunRecord, run.value);
  if (run === undefined || found === undefined || kept === undefined || !equal(found.before, name)) {
    throw new Fault("group/unavailable");
  }
  const plain = call.arena.take(kept.value.length - SEAL_OVERHEAD);
  openInto(plain, kept.value, keys.groupId, votesKey(call, keys));
  const votes = decode(votesRecord, plain);
  const removed = leavesIn(found.removed);
  for (const leaf of removed) {
    exclude(votes.voters, leaf);
    exclude(votes.votes, leaf);
  }
  return { run, removed, votes, kept };
}
