// Changes of a group: one commit at a time, saved before it is sent, adopted in its place in the own queue.
import type { ClientGroup, CommitRequest } from "../mls/client.ts";
import type { PendingCommit } from "../mls/client-results.ts";
import { equal } from "../memory/locked.ts";
import { MAX_ADDS } from "../mls/suite.ts";
import { ClientError } from "./errors.ts";
import { deliver, flush } from "./group-outbox.ts";
import { renew } from "./group-recovery.ts";
import { healths, isLeaving, type Pending } from "./group-record.ts";
import { draft, fits, keep } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import type { Claimed } from "./key-packages.ts";
import type { Parts } from "./parts.ts";
import type { Entry } from "./sections.ts";

const ATTEMPTS = 4;
const EMPTY = Buffer.alloc(0);

export interface Change {
  readonly add?: readonly Claimed[];
  /** Leaf keys. */
  readonly remove?: readonly Uint8Array[];
  /** What the policy is to be, given what it is; undefined when it is that already. */
  readonly policy?: (mls: ClientGroup) => CommitRequest["policy"];
  /** The added are becoming contacts: they are told how to reach us. */
  readonly befriends?: boolean;
  /** Everybody else is removed and the group ends. */
  readonly ends?: boolean;
  /** Saved together with the commit. */
  readonly entries?: () => readonly Entry[];
}

/** One behind the other: no commit may add more than so many. What else is wanted may be about all of them, and comes last. */
export function inCommits(wanted: Change, most: number = MAX_ADDS): Change[] {
  const { add = [], befriends = false } = wanted;
  const commits: Change[] = [];
  let at = 0;
  for (; add.length - at > most; at += most) commits.push({ add: add.slice(at, at + most), befriends });
  return [...commits, at === 0 ? wanted : { ...wanted, add: add.slice(at) }];
}

/**
 * Commits `wanted`, in several commits where it adds too many for one: each takes effect by itself, and when one fails those
 * before it stay. ClientError `group/contended`, `group/not-member`, `group/diverged`, `group/leaving`.
 */
export async function change(parts: Parts, held: HeldGroup, wanted: Change): Promise<void> {
  for (const one of inCommits(wanted)) await commitOne(parts, held, one);
}

/**
 * Commits `wanted` with whatever proposals wait, and sends what follows from it. When others changed the group first, it
 * is made anew on top of theirs.
 */
async function commitOne(parts: Parts, held: HeldGroup, wanted: Change): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await flush(parts, held);
    const { mls, care } = held.state;
    if (mls === undefined) throw new ClientError("group/not-member");
    if (care.health >= healths.diverged) throw new ClientError("group/diverged");
    if (isLeaving(mls)) throw new ClientError("group/leaving");
    if (held.blockedIn === mls.epoch) {
      await renew(parts, held, mls);
      continue;
    }
    const request = requestOf(parts, mls, wanted);
    if (request === undefined) return;
    const made = await mls.commit(request);
    await prepare(parts, held, mls, made, wanted);
    if ((await deliver(parts, held)) === "done") {
      made.settle();
      return held.state.mls === undefined ? undefined : flush(parts, held);
    }
  }
  throw new ClientError("group/contended");
}

// What is left to do of a change, or nothing when others have done it all.
function requestOf({ session }: Parts, mls: ClientGroup, wanted: Change): CommitRequest | undefined {
  const going = new Set(mls.pending.map(({ leaf }) => leaf));
  const named = (key: Uint8Array): boolean => (wanted.remove ?? []).some((other) => equal(other, key));
  const remove = mls
    .members()
    .filter(({ leafIndex, signaturePublicKey }) => {
      if (leafIndex === mls.ownLeaf || going.has(leafIndex)) return false;
      return wanted.ends === true || named(signaturePublicKey);
    })
    .map(({ leafIndex }) => leafIndex);
  const add = (wanted.add ?? []).map(({ keyPackage }) => keyPackage);
  const policy = ofThoseWhoStay(mls, going, wanted.policy?.(mls));
  const nothing = add.length + remove.length + going.size === 0 && policy === undefined && wanted.ends !== true;
  return nothing ? undefined : { add, remove, now: session.clock(), ...(policy && { policy }) };
}

// Whoever goes with this commit is no admin behind it.
function ofThoseWhoStay(
  mls: ClientGroup,
  going: ReadonlySet<number>,
  policy: CommitRequest["policy"],
): CommitRequest["policy"] {
  if (policy?.admins === undefined || going.size === 0) return policy;
  const gone = mls.members().filter(({ leafIndex }) => going.has(leafIndex));
  const admins = policy.admins.filter((admin) => !gone.some(({ pseudonym }) => equal(pseudonym, admin)));
  return { ...policy, admins };
}

async function prepare(
  parts: Parts,
  held: HeldGroup,
  mls: ClientGroup,
  made: PendingCommit,
  wanted: Change,
): Promise<void> {
  const { groupId } = held.state;
  const { commit, groupInfo, nextGroupKey, recovery, welcome = EMPTY } = made;
  const member = { groupId, groupKey: await mls.groupKey(), leaf: mls.ownLeaf };
  const rest = {
    next: made.next.serialize(),
    introductions: (wanted.add ?? []).map(({ introduction }) => introduction.document),
    befriends: wanted.befriends === true ? 1 : 0,
  };
  const save = (pending: Pending): Promise<void> =>
    keep(parts, held, { ...held.state, pending }, ...(wanted.entries?.() ?? []));
  if (wanted.ends === true) return draft(parts, "ds.delete", { ...member, commit, groupInfo }, save, rest);
  const request = { ...member, nextGroupKey, commit, groupInfo, welcome, recovery };
  const operation = fits("ds.commit", request) ? "ds.commit" : "ds.commitLarge";
  await draft(parts, operation, request, save, rest);
}
