// Where each node of an encoded ratchet tree lies (RFC 9420 sections 7.1, 7.2, 12.4.3.3), found without decoding any.
import { valid, within } from "./codec.ts";
import { MAX_NODES } from "./suite.ts";
import { isLeaf } from "./tree-math.ts";

// Reading past the end gives undefined or NaN, which `valid(... <= length)` refuses at the end of each node.

/** Where the contents of the opaque<V> at `at` begin (RFC 9420 section 2.1.2). */
function contents(bytes: Uint8Array, at: number): number {
  return at + (1 << (bytes[at]! >> 6));
}

/** Where the opaque<V> at `at` ends. */
export function skip(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const begin = contents(bytes, at);
  let length = first & 63;
  for (let i = at + 1; i < begin; i++) length = length * 256 + bytes[i]!;
  return begin + length;
}

/** The opaque<V> at `at`, a view. */
export const opaqueAt = (bytes: Buffer, at: number): Buffer => bytes.subarray(contents(bytes, at), skip(bytes, at));

const SOURCE_KEY_PACKAGE = 1;
const SOURCE_COMMIT = 3;
const LIFETIME = 16;
const CAPABILITY_LISTS = 5;

/** Of a leaf at `at`: where its signature key's, and its credential's, opaque<V> begins. */
export const signatureKeyAt = (bytes: Uint8Array, at: number): number => skip(bytes, at);
export const identityAt = (bytes: Uint8Array, at: number): number => skip(bytes, signatureKeyAt(bytes, at)) + 2;

function skipLeaf(bytes: Uint8Array, start: number): number {
  let at = skip(bytes, identityAt(bytes, start));
  for (let i = 0; i < CAPABILITY_LISTS; i++) at = skip(bytes, at);
  const source = bytes[at++];
  if (source === SOURCE_KEY_PACKAGE) at += LIFETIME;
  else if (source === SOURCE_COMMIT) at = skip(bytes, at);
  at = skip(bytes, at); // extensions
  return skip(bytes, at); // signature
}

/** encryption_key, parent_hash, unmerged_leaves. */
const skipParent = (bytes: Uint8Array, at: number): number => skip(bytes, skip(bytes, skip(bytes, at)));

/** Bytes before a node's struct: presence and type. */
export const NODE_HEAD = 2;

/** An encoded tree and where its nodes are. Immutable. */
export interface TreeIndex {
  /** ratchet_tree: optional<Node><V>. */
  readonly bytes: Buffer;
  /** Where each node begins, with its presence octet; one more for the end. */
  readonly starts: Uint32Array;
  /** Nodes in `bytes`; those behind are blank. */
  readonly count: number;
  /** Non-blank leaves. */
  readonly members: number;
}

/** Throws Fault `group/invalid` for what is no tree, `group/limit` for one that is too large. Keys are not looked at. */
export function indexTree(bytes: Buffer): TreeIndex {
  valid(skip(bytes, 0) === bytes.length);
  const starts = new Uint32Array(MAX_NODES + 1);
  let [at, count, members] = [contents(bytes, 0), 0, 0];
  while (at < bytes.length) {
    within(count < MAX_NODES);
    starts[count] = at;
    const presence = bytes[at++];
    if (presence === 1) {
      const leaf = isLeaf(count);
      valid(bytes[at++] === (leaf ? 1 : 2));
      at = leaf ? skipLeaf(bytes, at) : skipParent(bytes, at);
      if (leaf) members++;
    } else valid(presence === 0);
    valid(at <= bytes.length);
    count++;
  }
  valid(count > 0 && bytes[starts[count - 1]!] === 1); // 12.4.3.3: the last node is not blank
  starts[count] = at;
  return { bytes, starts, count, members };
}
