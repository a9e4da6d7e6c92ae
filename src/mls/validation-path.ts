// The public part of an UpdatePath (RFC 9420 sections 7.3, 7.5, 7.6 and 12.4.2): what must hold of it, and the tree with it.
import type { GroupContext, LeafNode, UpdatePath } from "ts-mls";
import { sameBytes, valid } from "./codec.ts";
import type { PublicTree } from "./public-tree.ts";
import { MAX_NODES } from "./suite.ts";
import { checkEncryptionKey, checkLeaf } from "./validation-leaf.ts";

/** Bytes of a sealed path secret: 32 and the AEAD's tag. */
const PATH_SECRET_CIPHERTEXT = 48;

/** Parents above a leaf of the largest tree. */
const MAX_DEPTH = Math.log2(MAX_NODES + 1) - 1;

/** Section 12.4.2: every public key of a path is new to the tree, the committer's own old one included, and there once. */
export function checkPathKeys(tree: PublicTree, { leafNode, nodes }: UpdatePath): void {
  // Each key is looked for in the whole tree: first, that there are no more than any path has. Section 7.4.
  valid(nodes.length <= MAX_DEPTH);
  const keys = [leafNode.hpkePublicKey, ...nodes.map((node) => node.hpkePublicKey)];
  keys.forEach((key, i) => {
    checkEncryptionKey(key);
    valid(!tree.holdsEncryptionKey(key));
    valid(keys.findIndex((other) => sameBytes(other, key)) === i);
  });
}

/**
 * Puts the path of `committer`, whose leaf is in the tree, in place. `added`: leaves of the same commit, which get their
 * secrets in the Welcome.
 */
export function applyPath(
  tree: PublicTree,
  committer: number,
  path: UpdatePath,
  added: readonly number[],
  context: GroupContext,
): void {
  const leaf: LeafNode = path.leafNode;
  valid(leaf.leafNodeSource === "commit"); // 7.3
  checkLeaf(leaf, committer, context);

  // 7.6: one ciphertext for each node of the copath's resolution but the leaves just added
  const steps = tree.filteredDirectPath(committer);
  valid(steps.length === path.nodes.length);
  const newcomers = new Set(added.map((index) => 2 * index));
  steps.forEach(({ copath }, k) => {
    const sealed = path.nodes[k]?.encryptedPathSecret ?? [];
    valid(sealed.length === tree.resolution(copath).filter((node) => !newcomers.has(node)).length);
    for (const { kemOutput, ciphertext } of sealed) {
      checkEncryptionKey(kemOutput);
      valid(ciphertext.length === PATH_SECRET_CIPHERTEXT);
    }
  });
  // 7.9.2
  const keys = path.nodes.map((node) => node.hpkePublicKey);
  valid(sameBytes(leaf.parentHash, tree.mergePath(committer, steps, keys)));
  tree.setLeaf(committer, leaf);
}
