// What must hold of a commit (RFC 9420 sections 12.2, 12.3, 12.4 and 12.4.2) and what this house asks beyond, for the
// server and for members alike. Nothing here needs the group's secrets.
//   6.1, 6.2  group, epoch, signature, length of the tags       checkFraming
//   7.3       leaf of the path                                  applyPath, checkLeaf
//   7.5, 7.6  path: length, keys, ciphertexts; parent hashes    applyPath
//   10.1      KeyPackages that are added                        checkKeyPackage
//   12.1.1    Add: keys and pseudonyms new to the group         checkNewcomer
//   12.1.3    Remove: of a leaf that is there                   applyRemoves
//   12.1.5    ExternalInit: kem_output of the suite's form      externalProposals
//   12.1.7    GroupContextExtensions: the house's three         checkContextExtensions
//   12.2      the list: nothing twice, not oneself, no others   commitParts, stageCommit, resolveReferences
//   12.4.3.2  external commit: by value, replaces only oneself  externalProposals, stageExternal
import type {
  Commit,
  Extension,
  GroupContext,
  KeyPackage,
  LeafNode,
  Proposal,
  PublicMessage,
  UpdatePath,
} from "ts-mls";
import type { FramedContentCommit } from "ts-mls/framedContent.js";
import { Fault } from "../fault.ts";
import { allowed, sameBytes, valid, within } from "./codec.ts";
import { checkCommitPolicy, checkContextExtensions, checkJoinPolicy, policyOf, senderKeyOf } from "./policy.ts";
import type { PolicyMember } from "./policy.ts";
import type { PendingRemoval } from "./public-state.ts";
import type { PublicTree } from "./public-tree.ts";
import { KEY_LENGTH, MAX_ADDS, MAX_MEMBERS } from "./suite.ts";
import { checkEncryptionKey, checkKeyPackage, pseudonymOf } from "./validation-leaf.ts";
import { applyPath, checkPathKeys } from "./validation-path.ts";
import { checkFraming, resolveReferences } from "./validation-proposal.ts";

/** A commit of a form this house allows, taken apart. Leaf indices are of the epoch before the commit. */
export interface CommitParts {
  /** Undefined for an external commit. */
  readonly committer: number | undefined;
  readonly content: FramedContentCommit;
  readonly confirmationTag: Uint8Array;
  readonly adds: readonly KeyPackage[];
  /** By value. */
  readonly removes: readonly number[];
  readonly references: readonly Uint8Array[];
  /** Of a GroupContextExtensions proposal. */
  readonly extensions: readonly Extension[] | undefined;
  readonly path: UpdatePath;
}

/**
 * The form of a commit: with a path and without authenticated data; by a member with Add, Remove and at most one
 * GroupContextExtensions by value, and references; or from outside with ExternalInit and at most one Remove, by value.
 * Throws Fault `group/policy`, `group/invalid`.
 */
export function commitParts(message: PublicMessage): CommitParts {
  const { content, auth } = message;
  allowed(content.contentType === "commit");
  valid(auth.contentType === "commit" && auth.confirmationTag.length === KEY_LENGTH);
  allowed(content.authenticatedData.length === 0);
  const { sender } = content;
  allowed(sender.senderType === "member" || sender.senderType === "new_member_commit");
  const { path }: Commit = content.commit;
  allowed(path !== undefined);
  const references: Uint8Array[] = [];
  const proposals: Proposal[] = [];
  for (const entry of content.commit.proposals) {
    if (entry.proposalOrRefType === "reference") references.push(entry.reference);
    else proposals.push(entry.proposal);
  }
  const external = sender.senderType === "new_member_commit";
  const sorted = external ? externalProposals(proposals) : memberProposals(proposals);
  allowed(!external || references.length === 0);
  const committer = external ? undefined : sender.leafIndex;
  return { committer, content, confirmationTag: auth.confirmationTag, references, path, ...sorted };
}

type ByValue = Pick<CommitParts, "adds" | "removes" | "extensions">;

function memberProposals(proposals: readonly Proposal[]): ByValue {
  const adds: KeyPackage[] = [];
  const removes: number[] = [];
  let extensions: Extension[] | undefined;
  for (const proposal of proposals) {
    if (proposal.proposalType === "add" && "add" in proposal) adds.push(proposal.add.keyPackage);
    else if (proposal.proposalType === "remove" && "remove" in proposal) removes.push(proposal.remove.removed);
    else if (proposal.proposalType === "group_context_extensions" && "groupContextExtensions" in proposal) {
      valid(extensions === undefined); // 12.2: one at most
      ({ extensions } = proposal.groupContextExtensions);
    } else throw new Fault("group/policy");
  }
  within(adds.length <= MAX_ADDS && removes.length <= MAX_MEMBERS);
  return { adds, removes, extensions };
}

function externalProposals(proposals: readonly Proposal[]): ByValue {
  const removes: number[] = [];
  let inits = 0;
  for (const proposal of proposals) {
    if (proposal.proposalType === "remove" && "remove" in proposal) removes.push(proposal.remove.removed);
    else if (proposal.proposalType === "external_init" && "externalInit" in proposal) {
      checkEncryptionKey(proposal.externalInit.kemOutput);
      inits++;
    } else throw new Fault("group/policy");
  }
  valid(inits === 1 && removes.length <= 1);
  return { adds: [], removes, extensions: undefined };
}

/** The epoch that a commit ends. */
export interface EndingEpoch {
  readonly context: GroupContext;
  /** In leaf order, where the caller has them at hand: the tree would decode every leaf for it. */
  readonly members?: readonly PolicyMember[];
  /** Verified proposals of this epoch. */
  readonly pending: readonly PendingRemoval[];
}

/** A leaf that goes. */
export interface RemovedLeaf {
  readonly leaf: number;
  readonly byReference: boolean;
}

/** What a commit that passed every check comes to. */
export interface CommitEffect {
  /** `resync`: a member takes a new leaf for its old one; `join`: a connection's second member comes in from outside. */
  readonly kind: "member" | "resync" | "join";
  /** Leaf index after the commit. */
  readonly committer: number;
  /** Leaf index before it: undefined for a join, another or the same for a resync. */
  readonly former: number | undefined;
  /** Leaf indices after the commit, in the order of the Adds. */
  readonly added: readonly number[];
  /** Leaf indices before the commit; a resync's own old leaf is not among them. */
  readonly removed: readonly RemovedLeaf[];
  /** Leaves whose pending removal ends with the epoch, unused. */
  readonly lapsed: readonly number[];
  /** Of the next epoch's GroupContext. */
  readonly extensions: readonly Extension[];
  readonly parts: CommitParts;
}

/**
 * Checks a commit and applies it to `tree`, a clone of the ending epoch's: worthless after a throw. `now`: Unix seconds
 * for the lifetimes of those added, undefined for a member who reads it later than the server did. Throws Fault
 * `group/epoch` for another epoch, `group/proposals` where the pending proposals are not those it takes in,
 * `group/policy`, `group/limit`, `group/invalid`.
 */
export function stageCommit(
  tree: PublicTree,
  message: PublicMessage,
  before: EndingEpoch,
  now: number | undefined,
): CommitEffect {
  // the epoch first: a member that lost a race must learn that, and not that its commit does not fit
  if (message.content.epoch !== before.context.epoch) throw new Fault("group/epoch");
  const parts = commitParts(message);
  const { committer, path } = parts;
  const self = committer === undefined ? path.leafNode : tree.leaf(committer);
  checkFraming(message, self?.signaturePublicKey, before.context);
  valid(self !== undefined);
  if (committer === undefined) return stageExternal(tree, parts, before);
  return stageMember(tree, parts, committer, self, before, now);
}

function stageMember(
  tree: PublicTree,
  parts: CommitParts,
  committer: number,
  self: LeafNode,
  { context, members = membersOf(tree), pending }: EndingEpoch,
  now: number | undefined,
): CommitEffect {
  const { adds, removes, references, path } = parts;
  const byReference = resolveReferences(references, pending);
  checkCommitPolicy({
    policyBefore: policyOf(context),
    policyChange: parts.extensions && checkContextExtensions(parts.extensions, senderKeyOf(context)),
    membersBefore: members,
    committer,
    removesByValue: removes,
    removesByReference: byReference,
    adds: adds.map(({ leafNode }) => pseudonymOf(leafNode)),
  });
  checkSameClient(self, path.leafNode);

  // 12.3: context extensions, removes, adds, then the path
  const extensions = parts.extensions ?? context.extensions;
  const next = { ...context, extensions: [...extensions] };
  applyRemoves(tree, [...removes, ...byReference]);
  const added = adds.map((keyPackage) => {
    checkKeyPackage(keyPackage, next, now);
    checkNewcomer(tree, keyPackage.leafNode);
    return tree.add(keyPackage.leafNode);
  });
  within(tree.memberCount <= MAX_MEMBERS);
  checkPathKeys(tree, path);
  applyPath(tree, committer, path, added, next);
  const removed = [
    ...removes.map((leaf) => ({ leaf, byReference: false })),
    ...byReference.map((leaf) => ({ leaf, byReference: true })),
  ];
  return { kind: "member", committer, former: committer, added, removed, lapsed: [], extensions, parts };
}

// An outsider evicts nobody: the one leaf it may replace is its own, shown by the signature key that signed the commit.
function stageExternal(tree: PublicTree, parts: CommitParts, { context, pending }: EndingEpoch): CommitEffect {
  const { path } = parts;
  const leaf: LeafNode = path.leafNode;
  const [former] = parts.removes;
  if (former === undefined) checkJoinPolicy(policyOf(context), tree.memberCount);
  else {
    const old = tree.leaf(former);
    valid(old !== undefined);
    checkSameClient(old, leaf);
    valid(!sameBytes(old.hpkePublicKey, leaf.hpkePublicKey)); // 12.4.2
    applyRemoves(tree, [former]);
  }
  checkNewcomer(tree, leaf);
  checkPathKeys(tree, path);
  const committer = tree.add(leaf);
  applyPath(tree, committer, path, [], context);
  return {
    kind: former === undefined ? "join" : "resync",
    committer,
    former,
    added: [],
    removed: [],
    // whoever comes back is neither idle nor without a queue, and has thought better of leaving
    lapsed: pending.map((proposal) => proposal.leaf).filter((index) => index !== former),
    extensions: context.extensions,
    parts,
  };
}

const membersOf = (tree: PublicTree): PolicyMember[] =>
  Array.from(tree.leaves(), ([leaf, node]) => ({ leaf, pseudonym: pseudonymOf(node) }));

// policy: a leaf stays who it is; its queue handle may change
function checkSameClient(old: LeafNode, leaf: LeafNode): void {
  allowed(sameBytes(pseudonymOf(leaf), pseudonymOf(old)));
  allowed(sameBytes(leaf.signaturePublicKey, old.signaturePublicKey));
}

// 12.1.3 and 12.2: each of a leaf that is there, none twice
function applyRemoves(tree: PublicTree, leaves: readonly number[]): void {
  for (const leaf of leaves) {
    valid(tree.leaf(leaf) !== undefined);
    tree.remove(leaf);
  }
}

// 7.3 and 12.2: a leaf that comes in shares no key with the tree; policy: and no pseudonym.
function checkNewcomer(tree: PublicTree, leaf: LeafNode): void {
  valid(!tree.holdsEncryptionKey(leaf.hpkePublicKey) && !tree.holdsSignatureKey(leaf.signaturePublicKey));
  allowed(tree.leafOf(pseudonymOf(leaf)) === undefined);
}
