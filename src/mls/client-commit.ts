// One's own commits: what is asked for, what waits to be taken in, and what follows from both (the forced policy change).
import {
  createCommit,
  createGroupInfoWithExternalPub,
  emptyPskIndex,
  type ClientState,
  type Extension,
  type Proposal,
} from "ts-mls";
import { sealRecovery } from "./client-recovery.ts";
import { fresh, leafOf, membersOf, withPending, type Held } from "./client-state.ts";
import { guarded, valid, within } from "./codec.ts";
import { exportGroupKey } from "./group-key.ts";
import { leafExtensions } from "./key-package.ts";
import { readKeyPackage, writeMessage } from "./messages.ts";
import { checkCommitPolicy, encodePolicy, policyAfter, policyOf, type GroupPolicy } from "./policy.ts";
import { withoutStaleKeys } from "./private-path.ts";
import { cipherSuite, GROUP_POLICY, MAX_MEMBERS } from "./suite.ts";
import { checkKeyPackage, pseudonymOf } from "./validation-leaf.ts";

export interface CommitRequest {
  /** KeyPackage messages. */
  readonly add?: readonly Uint8Array[];
  /** Leaf indices; those that pending proposals remove need not be named. */
  readonly remove?: readonly number[];
  /** What is to be different; for an admin. Whoever is no member any more is taken off the admins without being asked for. */
  readonly policy?: PolicyChange;
  /** A new sealed queue handle for one's own leaf; the old one stays where this is not given. */
  readonly handle?: Uint8Array;
  /** Unix seconds: the lifetimes of those added are checked against it. */
  readonly now: number;
}

export interface PolicyChange {
  readonly membersMayAdd?: boolean;
  /** Pseudonyms of members after the commit, all that are to be admins. */
  readonly admins?: readonly Uint8Array[];
}

/** The bytes for the delivery service and the state behind them. */
export interface MadeCommit {
  readonly commit: Uint8Array;
  readonly welcome: Uint8Array | undefined;
  readonly groupInfo: Uint8Array;
  readonly nextGroupKey: Uint8Array;
  readonly recovery: Uint8Array;
  readonly next: Held;
  readonly consumed: Uint8Array[];
}

/** MLSMessage with the GroupInfo of a state: external_pub, no tree. */
export async function writeGroupInfo(state: ClientState): Promise<Uint8Array> {
  const groupInfo = await createGroupInfoWithExternalPub(state, [], cipherSuite);
  return writeMessage({ wireformat: "mls_group_info", groupInfo });
}

/** With all pending proposals taken in by reference. Throws Fault `group/policy`, `group/limit`, `group/invalid`. */
export async function makeCommit(held: Held, request: CommitRequest): Promise<MadeCommit> {
  const { mls, pending } = held;
  valid(mls.groupActiveState.kind === "active");
  const { add = [], policy = {}, handle, now } = request;
  const taken = pending.map(({ leaf }) => leaf);
  const remove = (request.remove ?? []).filter((leaf) => !taken.includes(leaf));
  valid(remove.every((leaf) => leafOf(mls, leaf) !== undefined));
  const packages = add.map((bytes) => {
    const keyPackage = readKeyPackage(bytes);
    checkKeyPackage(keyPackage, mls.groupContext, now);
    return keyPackage;
  });

  const committer = mls.privatePath.leafIndex;
  const members = membersOf(mls).map(({ leafIndex, pseudonym }) => ({ leaf: leafIndex, pseudonym }));
  const gone = new Set([...taken, ...remove]);
  const remaining = members.filter(({ leaf }) => !gone.has(leaf));
  const policyBefore = policyOf(mls.groupContext);
  const policyChange = changed(
    policyBefore,
    remaining.map(({ pseudonym }) => pseudonym),
    policy,
  );
  checkCommitPolicy({
    policyBefore,
    policyChange,
    membersBefore: members,
    committer,
    removesByValue: remove,
    removesByReference: taken,
    adds: packages.map(({ leafNode }) => pseudonymOf(leafNode)),
  });
  within(remaining.length + packages.length <= MAX_MEMBERS);

  const extraProposals: Proposal[] = [
    ...remove.map((removed): Proposal => ({ proposalType: "remove", remove: { removed } })),
    ...packages.map((keyPackage): Proposal => ({ proposalType: "add", add: { keyPackage } })),
  ];
  if (policyChange !== undefined) {
    const extensions = withPolicy(mls.groupContext.extensions, policyChange);
    extraProposals.push({ proposalType: "group_context_extensions", groupContextExtensions: { extensions } });
  }
  const state = await withPending(held);
  const made = await guarded(() =>
    createCommit(
      { state, cipherSuite, pskIndex: emptyPskIndex },
      {
        extraProposals,
        wireAsPublicMessage: true,
        forcePath: true,
        ...(handle === undefined ? {} : { leafNodeExtensions: leafExtensions(handle) }),
      },
    ),
  );
  const next = withoutStaleKeys(made.newState);
  const nextGroupKey = await exportGroupKey(next.keySchedule.exporterSecret);
  const others = remaining.map(({ leaf }) => leaf).filter((leaf) => leaf !== committer);
  const { welcome } = made;
  return {
    commit: writeMessage(made.commit),
    welcome: welcome === undefined ? undefined : writeMessage({ wireformat: "mls_welcome", welcome }),
    groupInfo: await writeGroupInfo(next),
    nextGroupKey,
    recovery: await sealRecovery(mls, gone.size === 0 ? [] : others, nextGroupKey),
    next: fresh(next),
    consumed: made.consumed,
  };
}

// The policy that has to come with the commit, if any: what is asked for, on top of what the removals force.
function changed(before: GroupPolicy, remaining: readonly Uint8Array[], change: PolicyChange): GroupPolicy | undefined {
  const forced = policyAfter(before, remaining);
  if (change.membersMayAdd === undefined && change.admins === undefined) return forced === before ? undefined : forced;
  const admins = (change.admins ?? forced.admins).toSorted((a, b) => Buffer.compare(a, b));
  return { ...forced, membersMayAdd: change.membersMayAdd ?? forced.membersMayAdd, admins };
}

const withPolicy = (extensions: readonly Extension[], policy: GroupPolicy): Extension[] =>
  extensions.map((extension) =>
    extension.extensionType === GROUP_POLICY ? { ...extension, extensionData: encodePolicy(policy) } : extension,
  );
