// A group as a server that holds none of its secrets can follow it: public tree, context, and what may come next.
// It cannot check membership tags, confirmation tags, what path and Welcome ciphertexts hold, nor external_pub: a
// malicious member can get an unusable commit accepted, which members notice and recover from.
import type { GroupContext, GroupInfo, RatchetTree } from "ts-mls";
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { mapDecoders } from "ts-mls/codec/tlsDecoder.js";
import { contramapBufferEncoders } from "ts-mls/codec/tlsEncoder.js";
import { decodeGroupContext, groupContextEncoder } from "ts-mls/groupContext.js";
import { decodeRatchetTree, ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { allowed, decodeOwn, decodeOwnStart, sameBytes, valid, within } from "./codec.ts";
import { readGroupInfo, readPublicMessage, readRatchetTree } from "./messages.ts";
import { type PublicLeaf, Roster, rosterLength, writeRoster } from "./public-roster.ts";
import { PublicTree } from "./public-tree.ts";
import { KEY_LENGTH, MAX_KEY_PACKAGE } from "./suite.ts";
import { applyCommit, checkFraming, commitParts, nextContext } from "./validation-commit.ts";
import { checkContext, checkGroupInfo, checkMembers, checkWelcome } from "./validation-group.ts";
import { handleOf, pseudonymOf } from "./validation-leaf.ts";

// The stored state: group context || confirmation tag || roster || u32 length || ratchet tree.
interface Head {
  readonly context: GroupContext;
  readonly confirmationTag: Uint8Array;
}
const headEncoder = contramapBufferEncoders<[GroupContext, Uint8Array], Head>(
  [groupContextEncoder, varLenDataEncoder],
  (head) => [head.context, head.confirmationTag],
);
const decodeHead = mapDecoders(
  [decodeGroupContext, decodeVarLenData],
  (context: GroupContext, confirmationTag: Uint8Array): Head => ({ context, confirmationTag }),
);

const TREE_LENGTH = 4;

interface Encoding {
  readonly length: number;
  readonly write: (out: Uint8Array) => void;
}

/** The members of a state, and the tree behind them, which only a commit needs. */
interface Stored {
  readonly roster: Roster;
  readonly nodes: Uint8Array;
}

export type { PublicLeaf };

/** A commit that passed every check. Nothing has changed until the caller keeps `next`. */
export interface StagedCommit {
  readonly next: PublicGroup;
  /** Leaf index, the same before and after. */
  readonly committer: number;
  /** Leaf indices in `next`, in the order of the Add proposals; their refs are `addedRefs`. */
  readonly added: readonly number[];
  /** Leaf indices in the group before. */
  readonly removed: readonly number[];
}

/**
 * Immutable. All byte strings are views of the bytes given to `fromGroupInfo`, `decode` and `validateCommit`: keep these
 * in locked memory for as long as any group made from them is used, then wipe them and call `wipe` here.
 */
export class PublicGroup {
  readonly #context: GroupContext;
  readonly #stored: Stored | undefined;
  #decoded: PublicTree | undefined;
  readonly #confirmationTag: Uint8Array;
  readonly #own: Uint8Array;
  #encoded: Encoding | undefined;

  private constructor(context: GroupContext, tree: PublicTree | Stored, confirmationTag: Uint8Array, own: Uint8Array) {
    this.#context = context;
    if (tree instanceof PublicTree) this.#decoded = tree;
    else this.#stored = tree;
    this.#confirmationTag = confirmationTag;
    this.#own = own;
  }

  /**
   * A group from a member's GroupInfo message with its ratchet tree. `now` in Unix seconds. Throws Fault `group/invalid`,
   * `group/policy`, `group/limit`.
   */
  static fromGroupInfo(bytes: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    return PublicGroup.#import(info, readRatchetTree(treeIn(info)), now);
  }

  /** A new group: as `fromGroupInfo`, in epoch 0 with its creator as the only member (RFC 9420 section 11). */
  static create(bytes: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    // Before the tree is decoded or hashed: whoever founds a group costs the house one leaf.
    const encoded = treeIn(info);
    allowed(info.groupContext.epoch === 0n && encoded.length <= MAX_KEY_PACKAGE);
    const tree = readRatchetTree(encoded);
    allowed(tree.length === 1);
    return PublicGroup.#import(info, tree, now);
  }

  static #import(info: GroupInfo, ratchetTree: RatchetTree, now: number): PublicGroup {
    const context = info.groupContext;
    checkContext(context);
    valid(info.confirmationTag.length === KEY_LENGTH);
    const tree = PublicTree.from(ratchetTree);
    valid(sameBytes(tree.treeHash(), context.treeHash));
    checkMembers(tree, context, now);
    checkGroupInfo(info, tree.leaf(info.signer), context, info.confirmationTag, true);
    return new PublicGroup(context, tree, info.confirmationTag, new Uint8Array(0));
  }

  /** The group of a state that `encodeInto` wrote. The caller has authenticated the bytes; only their form is checked. */
  static decode(state: Uint8Array): PublicGroup {
    const [{ context, confirmationTag }, headLength] = decodeOwnStart(decodeHead, state);
    const rest = Buffer.from(state.buffer, state.byteOffset + headLength, state.length - headLength);
    const roster = new Roster(rest);
    const nodes = rest.subarray(roster.length + TREE_LENGTH);
    valid(rest.length >= roster.length + TREE_LENGTH && rest.readUInt32BE(roster.length) === nodes.length);
    return new PublicGroup(context, { roster, nodes }, confirmationTag, new Uint8Array(0));
  }

  get #tree(): PublicTree {
    return (this.#decoded ??= PublicTree.from(decodeOwn(decodeRatchetTree, this.#stored?.nodes ?? new Uint8Array(0))));
  }

  /** Bytes `encodeInto` will write. */
  get encodedLength(): number {
    return this.#encoding().length;
  }

  /** Writes the state at the start of `out`; returns its length. No other copy is made. Throws Fault `group/limit`. */
  encodeInto(out: Uint8Array): number {
    const { length, write } = this.#encoding();
    within(length <= out.length);
    write(out);
    return length;
  }

  // length and writer, made once: they cost more than the writing
  #encoding(): Encoding {
    return (this.#encoded ??= encodingOf(this.#context, this.#confirmationTag, this.#tree));
  }

  get groupId(): Uint8Array {
    return this.#context.groupId;
  }
  get epoch(): number {
    return Number(this.#context.epoch);
  }
  /** 32 bytes. */
  get treeHash(): Uint8Array {
    return this.#context.treeHash;
  }
  /** 32 bytes, or none in epoch 0. */
  get confirmedTranscriptHash(): Uint8Array {
    return this.#context.confirmedTranscriptHash;
  }

  leaf(index: number): PublicLeaf | undefined {
    if (this.#stored !== undefined) return this.#stored.roster.leaf(index);
    const leaf = this.#tree.leaf(index);
    if (leaf === undefined) return undefined;
    return { signaturePublicKey: leaf.signaturePublicKey, handle: handleOf(leaf), pseudonym: pseudonymOf(leaf) };
  }

  /** Every member's leaf index and sealed queue handle, in leaf order. */
  *handles(): Generator<[leafIndex: number, handle: Uint8Array]> {
    if (this.#stored !== undefined) yield* this.#stored.roster.handles();
    else for (const [index, leaf] of this.#tree.leaves()) yield [index, handleOf(leaf)];
  }

  get memberCount(): number {
    return this.#stored?.roster.size ?? [...this.#tree.leaves()].length;
  }

  /** The ratchet tree in TLS form, as a member without it needs it; for tests and tools, not in locked memory. */
  exportTree(): RatchetTree {
    return this.#tree.export();
  }

  /**
   * Checks a commit (PublicMessage) with the GroupInfo of the epoch it leads to, signed by the committer, and the Welcome
   * for those it adds. `now` in Unix seconds. This group does not change. Throws Fault `group/epoch` for a commit of
   * another epoch, `group/invalid`, `group/policy`, `group/limit`.
   */
  validateCommit(
    commit: Uint8Array,
    groupInfo: Uint8Array,
    welcome: Uint8Array | undefined,
    now: number,
  ): StagedCommit {
    const message = readPublicMessage(commit);
    // the epoch first: a member that lost a race must learn that, and not that its commit does not fit
    if (message.content.epoch !== this.#context.epoch) throw new Fault("group/epoch");
    const parts = commitParts(message);
    checkFraming(message, this.#tree.leaf(parts.committer), this.#context);
    const tree = this.#tree.clone();
    const own = Buffer.allocUnsafeSlow(128);
    try {
      const added = applyCommit(tree, parts, this.#context, now);
      const transcript = own.subarray(0, KEY_LENGTH);
      const { signature } = message.auth;
      const context = nextContext(transcript, parts, signature, tree, this.#context, this.#confirmationTag);
      valid(parts.confirmationTag.length === KEY_LENGTH);
      const info = readGroupInfo(groupInfo);
      valid(info.signer === parts.committer);
      checkGroupInfo(info, tree.leaf(info.signer), context, parts.confirmationTag, false);
      checkWelcome(welcome, parts.adds);
      const next = new PublicGroup(context, tree, parts.confirmationTag, own);
      return { next, committer: parts.committer, added, removed: parts.removes };
    } catch (error) {
      tree.wipe();
      wipe(own);
      throw error instanceof Fault ? error : new Fault("group/invalid");
    }
  }

  /** Clears what this object computed for itself: call when neither it nor a group staged from it is used any more. */
  wipe(): void {
    this.#decoded?.wipe();
    wipe(this.#own);
  }
}

/** The ratchet_tree extension's bytes. */
function treeIn(info: GroupInfo): Uint8Array {
  const extension = info.extensions.find((e) => e.extensionType === "ratchet_tree");
  valid(extension !== undefined);
  return extension.extensionData;
}

function encodingOf(context: GroupContext, confirmationTag: Uint8Array, tree: PublicTree): Encoding {
  const [headLength, writeHead] = headEncoder({ context, confirmationTag });
  const [treeLength, writeTree] = ratchetTreeEncoder(tree.export());
  const behindRoster = headLength + rosterLength(tree);
  return {
    length: behindRoster + TREE_LENGTH + treeLength,
    write(out) {
      const buffer = out.buffer as ArrayBuffer;
      const bytes = Buffer.from(buffer, out.byteOffset, out.length);
      writeHead(out.byteOffset, buffer);
      writeRoster(tree, bytes, headLength);
      const treeAt = bytes.writeUInt32BE(treeLength, behindRoster);
      writeTree(out.byteOffset + treeAt, buffer);
    },
  };
}
