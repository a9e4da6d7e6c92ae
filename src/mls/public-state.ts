// A group's stored state: what the house keeps of it from one request to the next, as bytes.
import type { GroupContext } from "ts-mls";
import { decodeUint32, uint32Encoder } from "ts-mls/codec/number.js";
import { mapDecoders, type Decoder } from "ts-mls/codec/tlsDecoder.js";
import { contramapBufferEncoders } from "ts-mls/codec/tlsEncoder.js";
import {
  decodeVarLenData,
  decodeVarLenType,
  varLenDataEncoder,
  varLenTypeEncoder,
} from "ts-mls/codec/variableLength.js";
import { decodeGroupContext, groupContextEncoder } from "ts-mls/groupContext.js";
import { decodeRatchetTree, ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { decodeOwn, decodeOwnStart, valid } from "./codec.ts";
import { Roster } from "./public-roster.ts";
import { PublicTree } from "./public-tree.ts";

/** A Remove proposal that waits for a commit, verified when it was taken. */
export interface PendingRemoval {
  /** Leaf index that goes. */
  readonly leaf: number;
  /** MLSMessage with a PublicMessage. */
  readonly message: Uint8Array;
}

/** Everything but the members and the tree. */
interface Head {
  readonly context: GroupContext;
  readonly confirmationTag: Uint8Array;
  /** MLSMessage with this epoch's GroupInfo; it carries the tree only in epoch 0. */
  readonly groupInfo: Uint8Array;
  /** Leaf index of who made the commit to this epoch; nobody in epoch 0. */
  readonly lastCommitter: number | undefined;
  /** At most one for each leaf. */
  readonly pending: readonly PendingRemoval[];
}

export interface PublicState extends Head {
  readonly roster: Roster;
  /** Decoded, or as it stands in the stored state. */
  readonly tree: PublicTree | Uint8Array;
}

// The stored state: head || roster || u32 length || ratchet tree (RFC 9420 section 12.4.3.3).
const NOBODY = 0xffff_ffff;
const pendingEncoder = contramapBufferEncoders<[number, Uint8Array], PendingRemoval>(
  [uint32Encoder, varLenDataEncoder],
  ({ leaf, message }) => [leaf, message],
);
const decodePending: Decoder<PendingRemoval> = mapDecoders(
  [decodeUint32, decodeVarLenData],
  (leaf: number, message: Uint8Array) => ({ leaf, message }),
);
const headEncoder = contramapBufferEncoders<[GroupContext, Uint8Array, Uint8Array, number, PendingRemoval[]], Head>(
  [groupContextEncoder, varLenDataEncoder, varLenDataEncoder, uint32Encoder, varLenTypeEncoder(pendingEncoder)],
  (head) => [head.context, head.confirmationTag, head.groupInfo, head.lastCommitter ?? NOBODY, [...head.pending]],
);
const decodeHead: Decoder<Head> = mapDecoders(
  [decodeGroupContext, decodeVarLenData, decodeVarLenData, decodeUint32, decodeVarLenType(decodePending)],
  (context, confirmationTag, groupInfo, committer, pending): Head => ({
    context,
    confirmationTag,
    groupInfo,
    lastCommitter: committer === NOBODY ? undefined : committer,
    pending,
  }),
);
const TREE_LENGTH = 4;

export interface StateEncoding {
  readonly length: number;
  /** Writes `length` bytes at the start of `out`. */
  readonly write: (out: Uint8Array) => void;
}

export function encodingOf(state: PublicState): StateEncoding {
  const [headLength, writeHead] = headEncoder(state);
  const { bytes: roster } = state.roster;
  const [treeLength, writeTree] = treeEncoding(state.tree);
  const treeAt = headLength + roster.length + TREE_LENGTH;
  return {
    length: treeAt + treeLength,
    write(out) {
      writeHead(out.byteOffset, out.buffer as ArrayBuffer);
      out.set(roster, headLength);
      Buffer.from(out.buffer, out.byteOffset, out.length).writeUInt32BE(treeLength, treeAt - TREE_LENGTH);
      writeTree(out.subarray(treeAt));
    },
  };
}

/** The ratchet tree's TLS form: its length, and what writes it. */
export function treeEncoding(tree: PublicTree | Uint8Array): [length: number, write: (out: Uint8Array) => void] {
  if (!(tree instanceof PublicTree)) return [tree.length, (out) => out.set(tree)];
  const [length, write] = ratchetTreeEncoder(tree.export());
  return [length, (out) => write(out.byteOffset, out.buffer as ArrayBuffer)];
}

/** A state that `encodingOf` wrote; the caller has authenticated the bytes, only their form is checked. Views of `bytes`. */
export function decodeState(bytes: Uint8Array): PublicState {
  const [head, headLength] = decodeOwnStart(decodeHead, bytes);
  const rest = Buffer.from(bytes.buffer, bytes.byteOffset + headLength, bytes.length - headLength);
  const roster = new Roster(rest);
  const treeAt = roster.bytes.length + TREE_LENGTH;
  valid(rest.length >= treeAt);
  const tree = rest.subarray(treeAt);
  valid(rest.readUInt32BE(treeAt - TREE_LENGTH) === tree.length);
  return { ...head, roster, tree };
}

/** The tree to work on. Throws Fault `group/invalid` for a stored one that is none. */
export const openTree = (tree: PublicTree | Uint8Array): PublicTree =>
  tree instanceof PublicTree ? tree : PublicTree.from(decodeOwn(decodeRatchetTree, tree));

/** Seconds of a mean Gregorian month. */
const MONTH = 2_629_746;

/** The month that a time (Unix seconds) lies in, from 0 in 1970: u16. */
export const monthOf = (now: number): number => Math.floor(now / MONTH) & 0xffff;
