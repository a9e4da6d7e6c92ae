// The public ratchet tree (RFC 9420 sections 4.1, 7.7 to 7.9) with cached subtree hashes: a commit costs O(log n) hashes.
import type { LeafNode, Node, ParentNode, RatchetTree } from "ts-mls";
import { parentHashInputEncoder } from "ts-mls/parentHash.js";
import { leafNodeHashInputEncoder, parentNodeHashInputEncoder } from "ts-mls/treeHash.js";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { valid, within } from "./codec.ts";
import { hashEncoded } from "./signed.ts";
import { MAX_NODES } from "./suite.ts";
import { directPath, isLeaf, leafRange, left, parentOf, right, rootOf } from "./tree-math.ts";

const HASH = 32;
// Small typed arrays live in the V8 heap, where collection copies them; from 65 bytes on they do not.
const offHeap = (size: number): Buffer => Buffer.allocUnsafeSlow(Math.max(size, 65));

/** A node of a leaf's filtered direct path (section 4.1.2) and its child on the copath. */
interface PathStep {
  readonly node: number;
  readonly copath: number;
}

/**
 * A tree whose nodes are views of the bytes it was decoded from. Edits change this object only; `clone` first to stage.
 * `wipe` clears the hashes kept here; the caller wipes the decoded bytes.
 */
export class PublicTree {
  #nodes: (Node | undefined)[];
  #hashes: Buffer;
  #known: Uint8Array;
  #parentHashes: Buffer | undefined;

  private constructor(nodes: (Node | undefined)[], hashes: Buffer, known: Uint8Array) {
    this.#nodes = nodes;
    this.#hashes = hashes;
    this.#known = known;
  }

  /** Pads to a full tree and checks that leaves and parents stand where they may (section 12.4.3.1). */
  static from(tree: RatchetTree): PublicTree {
    let size = 1;
    while (size < tree.length) size = size * 2 + 1;
    within(size <= MAX_NODES);
    const nodes: (Node | undefined)[] = [];
    for (let x = 0; x < size; x++) {
      const node = tree[x];
      valid(node === undefined || (node.nodeType === "leaf") === isLeaf(x));
      nodes.push(node);
    }
    return new PublicTree(nodes, offHeap(size * HASH), new Uint8Array(size));
  }

  clone(): PublicTree {
    const hashes = offHeap(this.#hashes.length);
    hashes.set(this.#hashes);
    return new PublicTree(this.#nodes.slice(), hashes, this.#known.slice());
  }

  wipe(): void {
    wipe(this.#hashes, this.#parentHashes);
    this.#known.fill(0);
  }

  get size(): number {
    return this.#nodes.length;
  }
  get root(): number {
    return rootOf(this.#nodes.length);
  }
  get nodes(): readonly (Node | undefined)[] {
    return this.#nodes;
  }

  leaf(index: number): LeafNode | undefined {
    const node = Number.isInteger(index) && index >= 0 ? this.#nodes[2 * index] : undefined;
    return node?.nodeType === "leaf" ? node.leaf : undefined;
  }

  parent(x: number): ParentNode | undefined {
    const node = this.#nodes[x];
    return node?.nodeType === "parent" ? node.parent : undefined;
  }

  *leaves(): Generator<[index: number, leaf: LeafNode]> {
    for (let x = 0; x < this.#nodes.length; x += 2) {
      const node = this.#nodes[x];
      if (node?.nodeType === "leaf") yield [x / 2, node.leaf];
    }
  }

  directPath(x: number): number[] {
    return directPath(x, this.size);
  }

  /** Section 4.1.1. */
  resolution(x: number, out: number[] = []): number[] {
    const node = this.#nodes[x];
    if (node !== undefined) {
      out.push(x);
      if (node.nodeType === "parent") for (const leaf of node.parent.unmergedLeaves) out.push(2 * leaf);
    } else if (!isLeaf(x)) {
      this.resolution(left(x), out);
      this.resolution(right(x), out);
    }
    return out;
  }

  #hasResolution(x: number): boolean {
    return (
      this.#nodes[x] !== undefined || (!isLeaf(x) && (this.#hasResolution(left(x)) || this.#hasResolution(right(x))))
    );
  }

  /** Section 4.1.2: the direct path without nodes whose copath child has an empty resolution. Lowest first. */
  filteredDirectPath(leaf: number): PathStep[] {
    const steps: PathStep[] = [];
    for (let x = 2 * leaf; x !== this.root;) {
      const node = parentOf(x);
      const copath = x < node ? right(node) : left(node);
      if (this.#hasResolution(copath)) steps.push({ node, copath });
      x = node;
    }
    return steps;
  }

  #changed(x: number): void {
    this.#known[x] = 0;
    while (x !== this.root) this.#known[(x = parentOf(x))] = 0;
  }

  setLeaf(index: number, leaf: LeafNode): void {
    this.#nodes[2 * index] = { nodeType: "leaf", leaf };
    this.#changed(2 * index);
  }

  /** Section 12.1.1: leftmost blank leaf, or twice the tree; the new leaf is unmerged at every non-blank parent above it. */
  add(leaf: LeafNode): number {
    let x = 0;
    while (x < this.size && this.#nodes[x] !== undefined) x += 2;
    if (x > this.size) this.#grow();
    const index = x / 2;
    this.setLeaf(index, leaf);
    for (const above of this.directPath(x)) {
      const parent = this.parent(above);
      if (parent === undefined) continue;
      const unmergedLeaves = [...parent.unmergedLeaves, index].sort((a, b) => a - b);
      this.#nodes[above] = { nodeType: "parent", parent: { ...parent, unmergedLeaves } };
    }
    return index;
  }

  #grow(): void {
    const size = this.size * 2 + 1;
    within(size <= MAX_NODES);
    while (this.#nodes.length < size) this.#nodes.push(undefined);
    const hashes = offHeap(size * HASH);
    hashes.set(this.#hashes.subarray(0, this.#known.length * HASH));
    wipe(this.#hashes);
    this.#hashes = hashes;
    const known = new Uint8Array(size);
    known.set(this.#known);
    this.#known = known;
  }

  /** Section 12.1.3: blanks the leaf and its direct path, then drops blank right halves (section 7.7). */
  remove(index: number): void {
    for (const x of this.directPath(2 * index)) this.#nodes[x] = undefined;
    this.#nodes[2 * index] = undefined;
    this.#changed(2 * index);
    while (this.size > 1 && this.#nodes.slice(this.root).every((node) => node === undefined)) {
      this.#nodes.length = rootOf(this.size);
      this.#known = this.#known.slice(0, this.size);
    }
  }

  /**
   * Section 7.5: puts the public part of an UpdatePath in place and computes the parent hashes from the root down
   * (section 7.9.2). Returns the parent_hash that the sender's new leaf must carry.
   */
  mergePath(leaf: number, path: PathStep[], keys: readonly Uint8Array[]): Uint8Array {
    for (const x of this.directPath(2 * leaf)) this.#nodes[x] = undefined;
    this.#changed(2 * leaf);
    const slab = (this.#parentHashes = offHeap(path.length * HASH));
    let parentHash: Uint8Array = new Uint8Array(0);
    for (let k = path.length - 1; k >= 0; k--) {
      const step = path[k];
      const hpkePublicKey = keys[k];
      if (step === undefined || hpkePublicKey === undefined) throw new Fault("group/invalid");
      this.#nodes[step.node] = { nodeType: "parent", parent: { hpkePublicKey, parentHash, unmergedLeaves: [] } };
      // unmerged_leaves is empty, so the original sibling tree hash is the current one
      const input = { encryptionKey: hpkePublicKey, parentHash, originalSiblingTreeHash: this.hash(step.copath) };
      parentHash = hashEncoded(slab.subarray(k * HASH, (k + 1) * HASH), parentHashInputEncoder, input);
    }
    return parentHash;
  }

  /** Section 7.8: the tree hash of the whole tree, a view of this tree's cache. */
  treeHash(): Uint8Array {
    return this.hash(this.root);
  }

  hash(x: number): Uint8Array {
    const out = this.#hashes.subarray(x * HASH, (x + 1) * HASH);
    if (this.#known[x] === 0) {
      this.#compute(out, x, (y) => this.hash(y));
      this.#known[x] = 1;
    }
    return out;
  }

  /** Section 7.9: the hash of subtree `x` as it was before the leaves of `without` were added. */
  originalHash(x: number, without: readonly number[]): Uint8Array {
    const [first, last] = leafRange(x);
    if (!without.some((leaf) => leaf >= first && leaf <= last)) return this.hash(x);
    return this.#compute(offHeap(HASH).subarray(0, HASH), x, (y) => this.originalHash(y, without), without);
  }

  #compute(out: Buffer, x: number, hashOf: (y: number) => Uint8Array, without: readonly number[] = []): Buffer {
    if (isLeaf(x)) {
      const leafNode = without.includes(x / 2) ? undefined : this.leaf(x / 2);
      return hashEncoded(out, leafNodeHashInputEncoder, { nodeType: "leaf", leafIndex: x / 2, leafNode });
    }
    let parentNode = this.parent(x);
    if (parentNode !== undefined && without.length > 0) {
      const unmergedLeaves = parentNode.unmergedLeaves.filter((leaf) => !without.includes(leaf));
      parentNode = { ...parentNode, unmergedLeaves };
    }
    const leftHash = hashOf(left(x));
    const rightHash = hashOf(right(x));
    return hashEncoded(out, parentNodeHashInputEncoder, { nodeType: "parent", parentNode, leftHash, rightHash });
  }

  /** The nodes as the library encodes and imports them. */
  export(): RatchetTree {
    return this.#nodes.slice();
  }
}
