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
import { decodeOwnStart, valid } from "./codec.ts";
import { Roster } from "./public-roster.ts";
import { PublicTree, type Take } from "./public-tree.ts";

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

/** A tree as it stands in the stored state: it is opened for a commit only. */
interface StoredTree {
  /** ratchet_tree (RFC 9420 section 12.4.3.3). */
  readonly encoded: Buffer;
  /** The tree hashes of its parents. */
  readonly hashes: Buffer;
}

export interface PublicState extends Head {
  readonly roster: Roster;
  readonly tree: PublicTree | StoredTree;
}

// The stored state: head || roster || u32 length || ratchet tree || hashes.
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
  const { roster, tree } = state;
  const [headLength, writeHead] = headEncoder(state);
  const encodedLength = treeLength(tree);
  const hashesLength = tree instanceof PublicTree ? tree.hashesLength : tree.hashes.length;
  return {
    length: headLength + roster.encodedLength + TREE_LENGTH + encodedLength + hashesLength,
    write(out) {
      const bytes = Buffer.from(out.buffer, out.byteOffset, out.length);
      writeHead(out.byteOffset, out.buffer as ArrayBuffer);
      const treeAt = bytes.writeUInt32BE(encodedLength, roster.encodeInto(bytes, headLength));
      const hashesAt = writeTree(tree, bytes, treeAt);
      if (tree instanceof PublicTree) tree.hashesInto(bytes, hashesAt);
      else bytes.set(tree.hashes, hashesAt);
    },
  };
}

/** Bytes of the ratchet tree's TLS form. */
export const treeLength = (tree: PublicState["tree"]): number =>
  tree instanceof PublicTree ? tree.encodedLength : tree.encoded.length;

/** Writes the ratchet tree's TLS form at `offset`; returns where it ends. */
export function writeTree(tree: PublicState["tree"], out: Buffer, offset: number): number {
  if (tree instanceof PublicTree) return tree.encodeInto(out, offset);
  out.set(tree.encoded, offset);
  return offset + tree.encoded.length;
}

/** A state that `encodingOf` wrote; the caller has authenticated the bytes, only their form is checked. Views of `bytes`. */
export function decodeState(bytes: Uint8Array): PublicState {
  const [head, headLength] = decodeOwnStart(decodeHead, bytes);
  const rest = Buffer.from(bytes.buffer, bytes.byteOffset + headLength, bytes.length - headLength);
  const [roster, rosterLength] = Roster.open(rest);
  const treeAt = rosterLength + TREE_LENGTH;
  valid(rest.length >= treeAt);
  const hashesAt = treeAt + rest.readUInt32BE(rosterLength);
  valid(rest.length >= hashesAt);
  return { ...head, roster, tree: { encoded: rest.subarray(treeAt, hashesAt), hashes: rest.subarray(hashesAt) } };
}

/** The tree to work on. Throws Fault `group/invalid`, `group/limit` for a stored one that is none. */
export const openTree = (tree: PublicState["tree"], take?: Take): PublicTree =>
  tree instanceof PublicTree ? tree : PublicTree.open(tree.encoded, tree.hashes, take);

/** Seconds of a mean Gregorian month. */
const MONTH = 2_629_746;

/** The month that a time (Unix seconds) lies in, from 0 in 1970: u16. */
export const monthOf = (now: number): number => Math.floor(now / MONTH) & 0xffff;
