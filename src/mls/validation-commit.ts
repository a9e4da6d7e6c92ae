// What must hold of a commit (RFC 9420 sections 12.2, 12.4 and 12.4.2), and the tree and context it leads to.
import type { Commit, GroupContext, KeyPackage, LeafNode, PublicMessage, UpdatePath } from "ts-mls";
import { framedContentTBSEncoder, toTbs, type FramedContentCommit } from "ts-mls/framedContent.js";
import { confirmedTranscriptHashInputEncoder } from "ts-mls/transcriptHash.js";
import { varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { sha256 } from "../crypto/hash.ts";
import { Fault } from "../fault.ts";
import { allowed, sameBytes, valid, withEncoded, within } from "./codec.ts";
import type { PublicTree } from "./public-tree.ts";
import { verifyWithLabel } from "./signed.ts";
import { KEY_LENGTH, MAX_MEMBERS } from "./suite.ts";
import { checkKeyPackage, checkLeaf, handleOf, pseudonymOf } from "./validation-leaf.ts";

/** Bytes of a sealed path secret: 32 and the AEAD's tag. */
const PATH_SECRET_CIPHERTEXT = 48;

/** A commit of the form this house allows, taken apart. Leaf indices are of the epoch before the commit. */
export interface CommitParts {
  readonly committer: number;
  readonly content: FramedContentCommit;
  readonly confirmationTag: Uint8Array;
  readonly adds: readonly KeyPackage[];
  readonly removes: readonly number[];
  readonly path: UpdatePath;
}

/**
 * The form of a handshake in this house, checked alike by server and members: a commit by a member, with a path, with
 * Add and Remove proposals by value and nothing else, and no authenticated data. Throws Fault `group/policy`.
 */
export function commitParts(message: PublicMessage): CommitParts {
  const { content, auth } = message;
  allowed(content.contentType === "commit" && content.sender.senderType === "member");
  valid(auth.contentType === "commit");
  allowed(content.authenticatedData.length === 0);
  const { proposals, path }: Commit = content.commit;
  allowed(path !== undefined);
  const adds: KeyPackage[] = [];
  const removes: number[] = [];
  for (const entry of proposals) {
    allowed(entry.proposalOrRefType === "proposal");
    const { proposal } = entry;
    if (proposal.proposalType === "add" && "add" in proposal) adds.push(proposal.add.keyPackage);
    else if (proposal.proposalType === "remove" && "remove" in proposal) removes.push(proposal.remove.removed);
    else throw new Fault("group/policy");
  }
  return {
    committer: content.sender.leafIndex,
    content,
    confirmationTag: auth.confirmationTag,
    adds,
    removes,
    path,
  };
}

/** Section 6.1 and 6.2, as far as a server can: group, epoch, membership of the sender, signature. */
export function checkFraming(message: PublicMessage, committer: LeafNode | undefined, context: GroupContext): void {
  const { content, auth } = message;
  valid(sameBytes(content.groupId, context.groupId));
  if (content.epoch !== context.epoch) throw new Fault("group/epoch");
  valid(committer !== undefined);
  const signed = toTbs(content, "mls_public_message", context);
  valid(
    verifyWithLabel(committer.signaturePublicKey, "FramedContentTBS", framedContentTBSEncoder, signed, auth.signature),
  );
}

/** Applies the proposals (section 12.3) and the path (12.4.2) to `tree`, a clone. Returns the leaves that were added. */
export function applyCommit(tree: PublicTree, parts: CommitParts, context: GroupContext, now: number): number[] {
  const { committer, removes, adds, path } = parts;
  const before = tree.leaf(committer);
  valid(before !== undefined);
  // 12.2: the committer does not remove itself, and no leaf is named twice
  valid(!removes.includes(committer) && new Set(removes).size === removes.length);
  for (const leaf of removes) {
    valid(tree.leaf(leaf) !== undefined); // 12.1.3
    tree.remove(leaf);
  }
  const added = adds.map((keyPackage) => {
    checkKeyPackage(keyPackage, context, now);
    checkNewcomer(tree, keyPackage.leafNode);
    return tree.add(keyPackage.leafNode);
  });
  within(tree.memberCount <= MAX_MEMBERS);
  applyPath(tree, committer, before, path, added, context);
  return added;
}

// 7.3 and 12.2: a leaf that comes in shares no key with the tree; policy: and no pseudonym.
function checkNewcomer(tree: PublicTree, leaf: LeafNode): void {
  valid(!tree.holdsEncryptionKey(leaf.hpkePublicKey) && !tree.holdsSignatureKey(leaf.signaturePublicKey));
  allowed(tree.leafOf(pseudonymOf(leaf)) === undefined);
}

function applyPath(
  tree: PublicTree,
  committer: number,
  before: LeafNode,
  path: UpdatePath,
  added: readonly number[],
  context: GroupContext,
): void {
  const leaf: LeafNode = path.leafNode;
  valid(leaf.leafNodeSource === "commit");
  checkLeaf(leaf, committer, context);
  handleOf(leaf);
  // policy: a leaf stays who it is; its queue handle may change
  allowed(sameBytes(pseudonymOf(leaf), pseudonymOf(before)));
  allowed(sameBytes(leaf.signaturePublicKey, before.signaturePublicKey));

  // 12.4.2: every public key of the path is new to the tree, the committer's own old one included
  const keys = path.nodes.map((node) => node.hpkePublicKey);
  [leaf.hpkePublicKey, ...keys].forEach((key, i, all) => {
    valid(key.length === KEY_LENGTH && !tree.holdsEncryptionKey(key));
    valid(all.findIndex((other) => sameBytes(other, key)) === i);
  });

  // one ciphertext for each node of the copath's resolution but the leaves just added, who get theirs in the Welcome
  const steps = tree.filteredDirectPath(committer);
  valid(steps.length === path.nodes.length);
  const newcomers = new Set(added.map((index) => 2 * index));
  steps.forEach(({ copath }, k) => {
    const sealed = path.nodes[k]?.encryptedPathSecret ?? [];
    valid(sealed.length === tree.resolution(copath).filter((node) => !newcomers.has(node)).length);
    for (const { kemOutput, ciphertext } of sealed) {
      valid(kemOutput.length === KEY_LENGTH && ciphertext.length === PATH_SECRET_CIPHERTEXT);
    }
  });
  valid(sameBytes(leaf.parentHash, tree.mergePath(committer, steps, keys)));
  tree.setLeaf(committer, leaf);
}

/**
 * The context of the next epoch (sections 8.1 and 8.2). `out` takes the confirmed transcript hash, 32 bytes. The interim
 * hash of the epoch that ends is made from its confirmation tag.
 */
export function nextContext(
  out: Uint8Array,
  parts: CommitParts,
  signature: Uint8Array,
  tree: PublicTree,
  context: GroupContext,
  confirmationTag: Uint8Array,
): GroupContext {
  const input = { wireformat: "mls_public_message" as const, content: parts.content, signature };
  withEncoded(varLenDataEncoder, confirmationTag, (tag) => sha256(out, context.confirmedTranscriptHash, tag));
  withEncoded(confirmedTranscriptHashInputEncoder, input, (bytes) => sha256(out, out, bytes));
  return { ...context, epoch: context.epoch + 1n, treeHash: tree.treeHash(), confirmedTranscriptHash: out };
}
