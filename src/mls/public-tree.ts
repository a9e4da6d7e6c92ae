// The public ratchet tree (RFC 9420 sections 4.1, 7.7 to 7.9) with its hashes: to open it is to find where its nodes are,
// a commit costs O(log n) hashes, and what did not change is copied when the tree is written.
import type { LeafNode, ParentNode, RatchetTree } from "ts-mls";
import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { parentNodeEncoder } from "ts-mls/parentNode.js";
import { sha256 } from "../crypto/hash.ts";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { valid, withEncoded, within, withScratch } from "./codec.ts";
import { lengthOf } from "./signed.ts";
import { MAX_NODES } from "./suite.ts";
import { indexTree } from "./tree-index.ts";
import { directPath, isLeaf, leafRange, left, parentOf, right, rootOf } from "./tree-math.ts";
import { TreeNodes } from "./tree-nodes.ts";

const HASH = 32;
const LEAF = Buffer.of(1);
const PARENT = Buffer.of(2);
const PRESENT = Buffer.of(1);
const ABSENT = Buffer.of(0);
const HASH_LENGTH = lengthOf(HASH);

/** Memory for what an object computes for itself. Whoever gives it may take it back once the object is not used any more. */
export type Take = (size: number) => Buffer;
// Small typed arrays live in the V8 heap, where collection copies them; from 65 bytes on they do not.
const offHeap: Take = (size) => Buffer.allocUnsafeSlow(Math.max(size, 65)).subarray(0, size);

/** A node of a leaf's filtered direct path (section 4.1.2) and its child on the copath. */
interface PathStep {
  readonly node: number;
  readonly copath: number;
}

/** Hashes are kept for parents only, each at its place among them: a leaf's is made when one above it is. */
const slotOf = (parent: number): number => (parent - 1) / 2;
const slots = (size: number): number => (size - 1) / 2;

/**
 * All byte strings are views: of the encoding it was opened from, of what was put in since. Edits change this object
 * only; `clone` first to stage. `wipe` clears what this object computed, which its clones use too; the caller wipes the
 * rest.
 */
export class PublicTree {
  readonly #nodes: TreeNodes;
  readonly #take: Take;
  readonly #own: Buffer[] = [];
  #hashes: Buffer;
  #known: Uint8Array;
  // no leaf before this one is blank
  #filled = 0;

  private constructor(nodes: TreeNodes, take: Take, hashes?: Buffer) {
    this.#nodes = nodes;
    this.#take = take;
    this.#hashes = hashes ?? this.#kept(slots(nodes.size) * HASH);
    this.#known = new Uint8Array(slots(nodes.size)).fill(hashes === undefined ? 0 : 1);
  }

  /**
   * The tree of an encoded ratchet_tree, with the hashes that `hashesInto` wrote for it, if any. Both are authentic, or
   * checked by the caller: here only what could make this code fail. Throws Fault `group/invalid`, `group/limit`.
   */
  static open(encoded: Buffer, hashes?: Buffer, take: Take = offHeap): PublicTree {
    const nodes = new TreeNodes(indexTree(encoded));
    valid(hashes === undefined || hashes.length === slots(nodes.size) * HASH);
    return new PublicTree(nodes, take, hashes);
  }

  /** The tree of decoded nodes, in memory of its own. Throws Fault `group/invalid`, `group/limit`. */
  static from(tree: RatchetTree): PublicTree {
    // before it is encoded: the library overflows the stack on what is far too large
    within(tree.length <= MAX_NODES);
    const { buffer, byteOffset, length } = encodeRatchetTree(tree);
    const encoded = Buffer.from(buffer, byteOffset, length);
    const result = PublicTree.open(encoded);
    result.#own.push(encoded);
    return result;
  }

  clone(): PublicTree {
    const copy = new PublicTree(new TreeNodes(this.#nodes), this.#take);
    copy.#hashes.set(this.#hashes);
    copy.#known.set(this.#known);
    copy.#filled = this.#filled;
    return copy;
  }

  wipe(): void {
    wipe(...this.#own);
    this.#known.fill(0);
  }

  #kept(size: number): Buffer {
    const memory = this.#take(size);
    this.#own.push(memory);
    return memory;
  }

  get size(): number {
    return this.#nodes.size;
  }
  get root(): number {
    return rootOf(this.size);
  }
  get memberCount(): number {
    return this.#nodes.members;
  }

  isBlank(x: number): boolean {
    return this.#nodes.isBlank(x);
  }

  /** The leaf of leaf index `index`. Decoded each time. */
  leaf(index: number): LeafNode | undefined {
    return Number.isInteger(index) ? this.#nodes.leaf(2 * index) : undefined;
  }

  parent(x: number): ParentNode | undefined {
    return this.#nodes.parent(x);
  }

  /** Every leaf, decoded: for a tree that arrives from outside. */
  *leaves(): Generator<[index: number, leaf: LeafNode]> {
    for (let index = 0; 2 * index < this.size; index++) {
      const leaf = this.leaf(index);
      if (leaf !== undefined) yield [index, leaf];
    }
  }

  /** True when some node has `key` as its encryption key. */
  holdsEncryptionKey(key: Uint8Array): boolean {
    return this.#nodes.holdsEncryptionKey(key);
  }

  /** True when some leaf has `key` as its signature key. */
  holdsSignatureKey(key: Uint8Array): boolean {
    return this.#nodes.holdsSignatureKey(key);
  }

  /** The leaf index of a pseudonym. */
  leafOf(pseudonym: Uint8Array): number | undefined {
    return this.#nodes.leafOf(pseudonym);
  }

  directPath(x: number): number[] {
    return directPath(x, this.size);
  }

  /** Section 4.1.1. */
  resolution(x: number, out: number[] = []): number[] {
    if (!this.isBlank(x)) {
      out.push(x);
      for (const leaf of this.#nodes.unmerged(x)) out.push(2 * leaf);
    } else if (!isLeaf(x)) {
      this.resolution(left(x), out);
      this.resolution(right(x), out);
    }
    return out;
  }

  #hasResolution(x: number): boolean {
    return !this.isBlank(x) || (!isLeaf(x) && (this.#hasResolution(left(x)) || this.#hasResolution(right(x))));
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
    for (const above of this.directPath(x)) this.#known[slotOf(above)] = 0;
  }

  setLeaf(index: number, leaf: LeafNode): void {
    this.#nodes.put(2 * index, { nodeType: "leaf", leaf });
    this.#changed(2 * index);
  }

  /** Section 12.1.1: leftmost blank leaf, or twice the tree; the new leaf is unmerged at every non-blank parent above it. */
  add(leaf: LeafNode): number {
    let index = this.#filled;
    while (2 * index < this.size && !this.isBlank(2 * index)) index++;
    this.#filled = index;
    if (2 * index > this.size) this.#resize(2 * this.size + 1);
    this.setLeaf(index, leaf);
    for (const above of this.directPath(2 * index)) {
      const parent = this.parent(above);
      if (parent === undefined) continue;
      const unmergedLeaves = [...parent.unmergedLeaves, index].sort((a, b) => a - b);
      this.#nodes.put(above, { nodeType: "parent", parent: { ...parent, unmergedLeaves } });
    }
    return index;
  }

  #resize(size: number): void {
    within(size <= MAX_NODES);
    const [hashes, known] = [this.#hashes, this.#known];
    this.#nodes.resize(size);
    this.#hashes = this.#kept(slots(size) * HASH);
    this.#hashes.set(hashes.subarray(0, this.#hashes.length));
    this.#known = new Uint8Array(slots(size));
    this.#known.set(known.subarray(0, this.#known.length));
  }

  /** Section 12.1.3: blanks the leaf and its direct path, then drops blank right halves (section 7.7). */
  remove(index: number): void {
    for (const x of this.directPath(2 * index)) this.#nodes.put(x, undefined);
    this.#nodes.put(2 * index, undefined);
    this.#changed(2 * index);
    this.#filled = Math.min(this.#filled, index);
    const { last } = this.#nodes;
    let { size } = this;
    while (size > 1 && last < rootOf(size)) size = rootOf(size);
    if (size < this.size) this.#resize(size);
  }

  /**
   * Section 7.5: puts the public part of an UpdatePath in place and computes the parent hashes from the root down
   * (section 7.9.2). Returns the parent_hash that the sender's new leaf must carry.
   */
  mergePath(leaf: number, path: readonly PathStep[], keys: readonly Uint8Array[]): Uint8Array {
    for (const x of this.directPath(2 * leaf)) this.#nodes.put(x, undefined);
    this.#changed(2 * leaf);
    const slab = this.#kept(path.length * HASH);
    let parentHash: Uint8Array = new Uint8Array(0);
    for (let k = path.length - 1; k >= 0; k--) {
      const step = path[k];
      const hpkePublicKey = keys[k];
      if (step === undefined || hpkePublicKey === undefined) throw new Fault("group/invalid");
      const parent: ParentNode = { hpkePublicKey, parentHash, unmergedLeaves: [] };
      this.#nodes.put(step.node, { nodeType: "parent", parent });
      // unmerged_leaves is empty, so the original sibling tree hash is the current one
      parentHash = this.parentHash(slab.subarray(k * HASH, (k + 1) * HASH), parent, step.copath);
    }
    return parentHash;
  }

  /** Section 7.9: the parent hash of `parent` over its child `sibling`, 32 bytes, written into `out`. */
  parentHash(out: Buffer, parent: ParentNode, sibling: number): Buffer {
    const { hpkePublicKey: key, parentHash, unmergedLeaves } = parent;
    return withScratch(HASH, (original) => {
      this.#hashInto(original, sibling, unmergedLeaves);
      return sha256(out, lengthOf(key.length), key, lengthOf(parentHash.length), parentHash, HASH_LENGTH, original);
    });
  }

  /** Section 7.8: the tree hash of the whole tree, 32 bytes in this tree's memory. */
  treeHash(): Buffer {
    return this.hash(this.root);
  }

  /** Section 7.8, of one node. */
  hash(x: number): Buffer {
    if (isLeaf(x)) return this.#leafHash(this.#kept(HASH), x);
    const slot = slotOf(x);
    const out = this.#hashes.subarray(slot * HASH, (slot + 1) * HASH);
    if (this.#known[slot] === 0) {
      this.#computed(out, x);
      this.#known[slot] = 1;
    }
    return out;
  }

  // The hash of subtree `x` as it was before the leaves of `without` were added (section 7.9).
  #hashInto(out: Buffer, x: number, without: readonly number[]): void {
    const [first, last] = leafRange(x);
    const less = without.some((leaf) => leaf >= first && leaf <= last);
    if (isLeaf(x)) this.#leafHash(out, x, less);
    else if (less) this.#computed(out, x, without);
    else out.set(this.hash(x));
  }

  #leafHash(out: Buffer, x: number, blank = this.isBlank(x)): Buffer {
    const index = Buffer.alloc(4);
    index.writeUInt32BE(x / 2);
    if (blank || this.isBlank(x)) return sha256(out, LEAF, index, ABSENT);
    return this.#nodes.withEncoding(x, (leaf) => sha256(out, LEAF, index, PRESENT, leaf));
  }

  #computed(out: Buffer, x: number, without: readonly number[] = []): void {
    withScratch(2 * HASH, (both) => {
      const [leftHash, rightHash] = [both.subarray(0, HASH), both.subarray(HASH)];
      this.#hashInto(leftHash, left(x), without);
      this.#hashInto(rightHash, right(x), without);
      const children = [HASH_LENGTH, leftHash, HASH_LENGTH, rightHash] as const;
      const parent = without.length === 0 ? undefined : this.parent(x);
      if (this.isBlank(x)) sha256(out, PARENT, ABSENT, ...children);
      else if (parent === undefined)
        this.#nodes.withEncoding(x, (bytes) => sha256(out, PARENT, PRESENT, bytes, ...children));
      else {
        const unmergedLeaves = parent.unmergedLeaves.filter((leaf) => !without.includes(leaf));
        withEncoded(parentNodeEncoder, { ...parent, unmergedLeaves }, (bytes) =>
          sha256(out, PARENT, PRESENT, bytes, ...children),
        );
      }
    });
  }

  /** The nodes as the library encodes and imports them. */
  export(): RatchetTree {
    return this.#nodes.export();
  }

  /** Bytes of the encoded ratchet_tree. */
  get encodedLength(): number {
    return this.#nodes.encodedLength;
  }

  /** Writes the encoded ratchet_tree at `offset`; returns where it ends. */
  encodeInto(out: Buffer, offset: number): number {
    return this.#nodes.encodeInto(out, offset);
  }

  /** Bytes of the hashes that `open` wants beside the encoding. */
  get hashesLength(): number {
    return slots(this.size) * HASH;
  }

  /** Writes the hashes at `offset`; returns where they end. */
  hashesInto(out: Buffer, offset: number): number {
    // makes those that are missing
    this.treeHash();
    out.set(this.#hashes, offset);
    return offset + this.#hashes.length;
  }
}
