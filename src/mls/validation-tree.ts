// What must hold of a whole tree that arrives from outside (RFC 9420 sections 7.3, 7.9.2 and 12.4.3.1).
import { sameBytes, valid, withScratch } from "./codec.ts";
import type { PublicTree } from "./public-tree.ts";
import { isLeaf, leafRange, left, right } from "./tree-math.ts";

/** Every rule of this file. Throws Fault `group/invalid`. Leaves are checked one by one in validation-leaf.ts. */
export function checkTree(tree: PublicTree): void {
  checkUnmergedLeaves(tree);
  checkParentHashes(tree);
  checkAllUnique(tree);
}

/**
 * Section 12.4.3.1: each unmerged leaf is a non-blank descendant, in ascending order (section 7.1), and every non-blank
 * node between it and the parent lists it too.
 */
export function checkUnmergedLeaves(tree: PublicTree): void {
  for (let x = 1; x < tree.size; x += 2) {
    let previous = -1;
    for (const index of tree.parent(x)?.unmergedLeaves ?? []) {
      valid(index > previous && !tree.isBlank(2 * index));
      previous = index;
      const path = tree.directPath(2 * index);
      const here = path.indexOf(x);
      valid(here !== -1);
      for (const between of path.slice(0, here)) {
        valid(tree.parent(between)?.unmergedLeaves.includes(index) ?? true);
      }
    }
  }
}

/** Section 7.9.2: every non-blank parent is parent-hash valid with respect to some node below it. */
export function checkParentHashes(tree: PublicTree): void {
  for (let x = 1; x < tree.size; x += 2) {
    if (tree.parent(x) === undefined) continue;
    valid(isParentHashValid(tree, x, left(x), right(x)) || isParentHashValid(tree, x, right(x), left(x)));
  }
}

// Parent P at `x`, its child C at `child`, C's sibling S. Valid for a node D when D is in the resolution of C, D carries
// the parent hash of P over S, and the rest of that resolution is exactly P's unmerged leaves below C.
function isParentHashValid(tree: PublicTree, x: number, child: number, sibling: number): boolean {
  const parent = tree.parent(x);
  if (parent === undefined) return false;
  const [first, last] = leafRange(child);
  const unmerged = parent.unmergedLeaves.filter((leaf) => leaf >= first && leaf <= last);
  const resolution = tree.resolution(child);
  if (resolution.length !== unmerged.length + 1) return false;
  const carriers = resolution.filter((node) => !isLeaf(node) || !unmerged.includes(node / 2));
  const [carrier] = carriers;
  if (carriers.length !== 1 || carrier === undefined) return false;
  const carried = parentHashOf(tree, carrier);
  if (carried === undefined) return false;
  return withScratch(32, (hash) => sameBytes(tree.parentHash(hash, parent, sibling), carried));
}

function parentHashOf(tree: PublicTree, x: number): Uint8Array | undefined {
  if (!isLeaf(x)) return tree.parent(x)?.parentHash;
  const leaf = tree.leaf(x / 2);
  return leaf?.leafNodeSource === "commit" ? leaf.parentHash : undefined;
}

/** Section 7.3: encryption keys are unique among all nodes, signature keys among all leaves; policy: pseudonyms too. */
export function checkAllUnique(tree: PublicTree): void {
  const keys: Uint8Array[] = [];
  const signatureKeys: Uint8Array[] = [];
  const pseudonyms: Uint8Array[] = [];
  for (let x = 1; x < tree.size; x += 2) {
    const parent = tree.parent(x);
    if (parent !== undefined) keys.push(parent.hpkePublicKey);
  }
  for (const [, leaf] of tree.leaves()) {
    keys.push(leaf.hpkePublicKey);
    signatureKeys.push(leaf.signaturePublicKey);
    if (leaf.credential.credentialType === "basic") {
      pseudonyms.push((leaf.credential as { identity: Uint8Array }).identity);
    }
  }
  for (const list of [keys, signatureKeys, pseudonyms]) {
    list.sort((a, b) => Buffer.compare(a, b));
    valid(list.every((bytes, i) => i === 0 || !sameBytes(bytes, list[i - 1] ?? bytes)));
  }
}
