// The nodes of a ratchet tree: those of its encoding, which are not decoded before they are asked for, and those set since.
import type { LeafNode, Node, ParentNode, RatchetTree } from "ts-mls";
import { lengthEncoder } from "ts-mls/codec/variableLength.js";
import type { BufferEncoder } from "ts-mls/codec/tlsEncoder.js";
import { decodeLeafNode, leafNodeEncoder } from "ts-mls/leafNode.js";
import { parentNodeEncoder } from "ts-mls/parentNode.js";
import { nodeEncoder } from "ts-mls/ratchetTree.js";
import { decodeOwn, sameBytes, valid, withEncoded } from "./codec.ts";
import { identityAt, NODE_HEAD, opaqueAt, signatureKeyAt, skip, type TreeIndex } from "./tree-index.ts";
import { isLeaf } from "./tree-math.ts";

// What a node is: as in the encoding (blank or not), set since, or blanked since.
const BLANK = 0;
const STORED = 1;
const SET = 2;
const BLANKED = 3;

type Encoded = ReturnType<BufferEncoder<Node>>;

function fullSize(count: number): number {
  let size = 1;
  while (size < count) size = size * 2 + 1;
  return size;
}

/** A full tree's nodes by their index. All byte strings are views: of the encoding, and of what was put in since. */
export class TreeNodes {
  readonly #stored: TreeIndex;
  readonly #set: Map<number, Node>;
  #kinds: Uint8Array;
  #members: number;
  // made once for each node that was set: they cost more than the writing
  #encodings: Map<number, Encoded> | undefined;

  constructor(from: TreeIndex | TreeNodes) {
    if (from instanceof TreeNodes) {
      this.#stored = from.#stored;
      this.#set = new Map(from.#set);
      this.#kinds = from.#kinds.slice();
      this.#members = from.#members;
      return;
    }
    this.#stored = from;
    this.#set = new Map();
    this.#members = from.members;
    this.#kinds = new Uint8Array(fullSize(from.count));
    for (let x = 0; x < from.count; x++) if (from.bytes[from.starts[x]!] === 1) this.#kinds[x] = STORED;
  }

  /** Nodes of the full tree, blank ones included. */
  get size(): number {
    return this.#kinds.length;
  }
  /** Leaves that are not blank. */
  get members(): number {
    return this.#members;
  }

  isBlank(x: number): boolean {
    const kind = this.#kinds[x];
    return kind !== STORED && kind !== SET;
  }

  /** The last node that is not blank, or the first of all. */
  get last(): number {
    let last = this.size - 1;
    while (last > 0 && this.isBlank(last)) last--;
    return last;
  }

  // where the struct of a stored node begins
  #at(x: number): number {
    return this.#stored.starts[x]! + NODE_HEAD;
  }

  #span(x: number): Buffer {
    return this.#stored.bytes.subarray(this.#at(x), this.#stored.starts[x + 1]);
  }

  leaf(x: number): LeafNode | undefined {
    const node = this.#set.get(x);
    if (node !== undefined) return node.nodeType === "leaf" ? node.leaf : undefined;
    return isLeaf(x) && this.#kinds[x] === STORED ? decodeOwn(decodeLeafNode, this.#span(x)) : undefined;
  }

  parent(x: number): ParentNode | undefined {
    const node = this.#set.get(x);
    if (node !== undefined) return node.nodeType === "parent" ? node.parent : undefined;
    if (isLeaf(x) || this.#kinds[x] !== STORED) return undefined;
    const { bytes } = this.#stored;
    const at = this.#at(x);
    return {
      hpkePublicKey: opaqueAt(bytes, at),
      parentHash: opaqueAt(bytes, skip(bytes, at)),
      unmergedLeaves: this.unmerged(x),
    };
  }

  /** The unmerged leaves of a parent. */
  unmerged(x: number): number[] {
    const node = this.#set.get(x);
    if (node !== undefined) return node.nodeType === "parent" ? node.parent.unmergedLeaves : [];
    const leaves: number[] = [];
    if (isLeaf(x) || this.#kinds[x] !== STORED) return leaves;
    const { bytes } = this.#stored;
    const list = opaqueAt(bytes, skip(bytes, skip(bytes, this.#at(x))));
    valid(list.length % 4 === 0);
    for (let at = 0; at < list.length; at += 4) leaves.push(list.readUInt32BE(at));
    return leaves;
  }

  /** Runs `work` on the encoded LeafNode or ParentNode at `x`, which is not blank. */
  withEncoding<T>(x: number, work: (bytes: Buffer) => T): T {
    const node = this.#set.get(x);
    if (node === undefined) return work(this.#span(x));
    if (node.nodeType === "leaf") return withEncoded(leafNodeEncoder, node.leaf, work);
    return withEncoded(parentNodeEncoder, node.parent, work);
  }

  /** Puts a node in place, or blanks it. */
  put(x: number, node: Node | undefined): void {
    this.#encodings = undefined;
    if (isLeaf(x)) this.#members += Number(node !== undefined) - Number(!this.isBlank(x));
    if (node === undefined) {
      this.#set.delete(x);
      this.#kinds[x] = BLANKED;
    } else {
      this.#set.set(x, node);
      this.#kinds[x] = SET;
    }
  }

  /** Cuts off blank nodes, or adds some: to a full tree of `size`. */
  resize(size: number): void {
    // blanked: whatever the encoding has there was cut off before
    const kinds = new Uint8Array(size).fill(BLANKED);
    kinds.set(this.#kinds.subarray(0, size));
    this.#kinds = kinds;
    this.#encodings = undefined;
  }

  /** True when some node has `key` as its encryption key. */
  holdsEncryptionKey(key: Uint8Array): boolean {
    for (const node of this.#set.values()) {
      if (sameBytes((node.nodeType === "leaf" ? node.leaf : node.parent).hpkePublicKey, key)) return true;
    }
    return this.#find(key, 1, (_, at) => at) !== undefined;
  }

  /** True when some leaf has `key` as its signature key. */
  holdsSignatureKey(key: Uint8Array): boolean {
    for (const node of this.#set.values()) {
      if (node.nodeType === "leaf" && sameBytes(node.leaf.signaturePublicKey, key)) return true;
    }
    return this.#find(key, 2, signatureKeyAt) !== undefined;
  }

  /** The leaf index of the basic credential `identity`. */
  leafOf(identity: Uint8Array): number | undefined {
    for (const [x, node] of this.#set) {
      if (node.nodeType !== "leaf" || !("identity" in node.leaf.credential)) continue;
      if (sameBytes(node.leaf.credential.identity, identity)) return x / 2;
    }
    const x = this.#find(identity, 2, identityAt);
    return x === undefined ? undefined : x / 2;
  }

  // The stored node, of each or of the leaves, with `value` as the opaque<V> that `where` finds in it.
  #find(value: Uint8Array, step: 1 | 2, where: (bytes: Uint8Array, at: number) => number): number | undefined {
    const { bytes, starts, count } = this.#stored;
    for (let x = 0; x < count && x < this.size; x += step) {
      if (this.#kinds[x] !== STORED) continue;
      const at = where(bytes, starts[x]! + NODE_HEAD);
      // most differ in the first bytes of those that are no longer than 63, which costs no call
      if (bytes[at] === value.length && (bytes[at + 1] !== value[0] || bytes[at + 2] !== value[1])) continue;
      if (sameBytes(opaqueAt(bytes, at), value)) return x;
    }
    return undefined;
  }

  #node(x: number): Node | undefined {
    const [leaf, parent] = [this.leaf(x), this.parent(x)];
    if (leaf !== undefined) return { nodeType: "leaf", leaf };
    return parent === undefined ? undefined : { nodeType: "parent", parent };
  }

  /** The nodes as the library encodes and imports them. */
  export(): RatchetTree {
    return Array.from({ length: this.size }, (_, x) => this.#node(x));
  }

  #encoded(): Map<number, Encoded> {
    return (this.#encodings ??= new Map(Array.from(this.#set, ([x, node]) => [x, nodeEncoder(node)])));
  }

  // Runs of nodes that stand as they do in the encoding, and the others one by one.
  #walk(copy: (from: number, to: number) => void, write: (encoded: Encoded | undefined) => void): void {
    const encodings = this.#encoded();
    const { starts, count } = this.#stored;
    const end = this.last + 1;
    for (let x = 0; x < end;) {
      const begin = x;
      while (x < end && x < count && (this.#kinds[x] === STORED || this.#kinds[x] === BLANK)) x++;
      if (x > begin) copy(starts[begin]!, starts[x]!);
      else write(encodings.get(x++));
    }
  }

  get #contentLength(): number {
    let length = 0;
    this.#walk(
      (from, to) => (length += to - from),
      (encoded) => (length += 1 + (encoded?.[0] ?? 0)),
    );
    return length;
  }

  /** Bytes of the encoded ratchet_tree. */
  get encodedLength(): number {
    const length = this.#contentLength;
    return lengthEncoder(length)[0] + length;
  }

  /** Writes the encoded ratchet_tree at `offset`; returns where it ends. */
  encodeInto(out: Buffer, offset: number): number {
    const buffer = out.buffer as ArrayBuffer;
    const [headLength, writeHead] = lengthEncoder(this.#contentLength);
    writeHead(out.byteOffset + offset, buffer);
    let at = offset + headLength;
    this.#walk(
      (from, to) => {
        out.set(this.#stored.bytes.subarray(from, to), at);
        at += to - from;
      },
      (encoded) => {
        out[at++] = encoded === undefined ? 0 : 1;
        encoded?.[1](out.byteOffset + at, buffer);
        at += encoded?.[0] ?? 0;
      },
    );
    return at;
  }
}
