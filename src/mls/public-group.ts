// A group as a server that holds none of its secrets can follow it: public tree, context, and what may come next.
// It cannot check membership tags, confirmation tags, what path and Welcome ciphertexts hold, nor external_pub: a
// malicious member can get an unusable commit accepted, which members notice and recover from.
import type { GroupContext, RatchetTree } from "ts-mls";
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { mapDecoders } from "ts-mls/codec/tlsDecoder.js";
import { contramapBufferEncoders } from "ts-mls/codec/tlsEncoder.js";
import { decodeGroupContext, groupContextEncoder } from "ts-mls/groupContext.js";
import { decodeRatchetTree, ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { allowed, decodeOwn, sameBytes, valid, within } from "./codec.ts";
import { readGroupInfo, readPublicMessage, readRatchetTree } from "./messages.ts";
import { PublicTree } from "./public-tree.ts";
import { KEY_LENGTH } from "./suite.ts";
import { applyCommit, checkFraming, commitParts, nextContext } from "./validation-commit.ts";
import { checkContext, checkGroupInfo, checkMembers, checkWelcome } from "./validation-group.ts";
import { handleOf, pseudonymOf } from "./validation-leaf.ts";

type Encoding = ReturnType<typeof stateEncoder>;
interface State {
  readonly context: GroupContext;
  readonly confirmationTag: Uint8Array;
  readonly nodes: RatchetTree;
}
const stateEncoder = contramapBufferEncoders<[GroupContext, Uint8Array, RatchetTree], State>(
  [groupContextEncoder, varLenDataEncoder, ratchetTreeEncoder],
  (state) => [state.context, state.confirmationTag, state.nodes],
);
const decodeState = mapDecoders(
  [decodeGroupContext, decodeVarLenData, decodeRatchetTree],
  (context: GroupContext, confirmationTag: Uint8Array, nodes: RatchetTree): State => ({
    context,
    confirmationTag,
    nodes,
  }),
);

/** What a member shows to the server: views of the group's state. */
export interface PublicLeaf {
  /** Ed25519, 32 bytes. */
  readonly signaturePublicKey: Uint8Array;
  /** Sealed queue handle, 88 bytes. */
  readonly handle: Uint8Array;
  /** 16 bytes. */
  readonly pseudonym: Uint8Array;
}

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
  readonly #tree: PublicTree;
  readonly #confirmationTag: Uint8Array;
  readonly #own: Uint8Array;
  #encoded: Encoding | undefined;

  private constructor(context: GroupContext, tree: PublicTree, confirmationTag: Uint8Array, own: Uint8Array) {
    this.#context = context;
    this.#tree = tree;
    this.#confirmationTag = confirmationTag;
    this.#own = own;
  }

  /**
   * A group from a member's GroupInfo message with its ratchet tree. `now` in Unix seconds. Throws Fault `group/invalid`,
   * `group/policy`, `group/limit`.
   */
  static fromGroupInfo(bytes: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    const context = info.groupContext;
    checkContext(context);
    valid(info.confirmationTag.length === KEY_LENGTH);
    const extension = info.extensions.find((e) => e.extensionType === "ratchet_tree");
    valid(extension !== undefined);
    const tree = PublicTree.from(readRatchetTree(extension.extensionData));
    valid(sameBytes(tree.treeHash(), context.treeHash));
    checkMembers(tree, context, now);
    checkGroupInfo(info, tree.leaf(info.signer), context, info.confirmationTag, true);
    return new PublicGroup(context, tree, info.confirmationTag, new Uint8Array(0));
  }

  /** A new group: as `fromGroupInfo`, in epoch 0 with its creator as the only member (RFC 9420 section 11). */
  static create(bytes: Uint8Array, now: number): PublicGroup {
    const group = PublicGroup.fromGroupInfo(bytes, now);
    allowed(group.epoch === 0 && group.#tree.size === 1);
    return group;
  }

  /** The group of a state that `encodeInto` wrote. The caller has authenticated the bytes; only their form is checked. */
  static decode(state: Uint8Array): PublicGroup {
    const { context, confirmationTag, nodes } = decodeOwn(decodeState, state);
    return new PublicGroup(context, PublicTree.from(nodes), confirmationTag, new Uint8Array(0));
  }

  /** Bytes `encodeInto` will write. */
  get encodedLength(): number {
    return this.#encoding()[0];
  }

  /** Writes the state at the start of `out`; returns its length. No other copy is made. Throws Fault `group/limit`. */
  encodeInto(out: Uint8Array): number {
    const [length, write] = this.#encoding();
    within(length <= out.length);
    write(out.byteOffset, out.buffer as ArrayBuffer);
    return length;
  }

  // length and writer, made once: they cost more than the writing
  #encoding(): Encoding {
    return (this.#encoded ??= stateEncoder({
      context: this.#context,
      confirmationTag: this.#confirmationTag,
      nodes: this.#tree.export(),
    }));
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
    const leaf = this.#tree.leaf(index);
    if (leaf === undefined) return undefined;
    return { signaturePublicKey: leaf.signaturePublicKey, handle: handleOf(leaf), pseudonym: pseudonymOf(leaf) };
  }

  /** Every member's leaf index and sealed queue handle, in leaf order. */
  *handles(): Generator<[leafIndex: number, handle: Uint8Array]> {
    for (const [index, leaf] of this.#tree.leaves()) yield [index, handleOf(leaf)];
  }

  get memberCount(): number {
    return [...this.#tree.leaves()].length;
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
    this.#tree.wipe();
    wipe(this.#own);
  }
}
