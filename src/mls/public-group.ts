// A group as a server that holds none of its secrets can follow it: public tree, context, and what may come next.
// It cannot check membership tags, confirmation tags, what path and Welcome ciphertexts hold, nor external_pub: a
// malicious member can get an unusable commit accepted, which members notice and recover from.
import type { GroupInfo, RatchetTree } from "ts-mls";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { allowed, sameBytes, valid, within } from "./codec.ts";
import { readGroupInfo, readPublicMessage, readRatchetTree } from "./messages.ts";
import { type PublicLeaf, Roster } from "./public-roster.ts";
import { decodeState, encodingOf, monthOf, openTree, type PublicState, type StateEncoding } from "./public-state.ts";
import { PublicTree, type Take } from "./public-tree.ts";
import { KEY_LENGTH, MAX_KEY_PACKAGE } from "./suite.ts";
import { applyCommit, checkFraming, commitParts, nextContext } from "./validation-commit.ts";
import { checkContext, checkGroupInfo, checkMembers, checkWelcome } from "./validation-group.ts";

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
  readonly #state: PublicState;
  readonly #own: readonly Uint8Array[];
  readonly #take: Take | undefined;
  #opened: PublicTree | undefined;
  #encoded: StateEncoding | undefined;

  private constructor(state: PublicState, own: readonly Uint8Array[] = [], take?: Take) {
    this.#state = state;
    this.#own = own;
    this.#take = take;
  }

  /**
   * A group from a member's GroupInfo message with its ratchet tree. `now` in Unix seconds. Throws Fault `group/invalid`,
   * `group/policy`, `group/limit`.
   */
  static fromGroupInfo(bytes: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    return PublicGroup.#import(bytes, info, readRatchetTree(treeIn(info)), now);
  }

  /** A new group: as `fromGroupInfo`, in epoch 0 with its creator as the only member (RFC 9420 section 11). */
  static create(bytes: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    // Before the tree is decoded or hashed: whoever founds a group costs the house one leaf.
    const encoded = treeIn(info);
    allowed(info.groupContext.epoch === 0n && encoded.length <= MAX_KEY_PACKAGE);
    const tree = readRatchetTree(encoded);
    allowed(tree.length === 1);
    return PublicGroup.#import(bytes, info, tree, now);
  }

  static #import(groupInfo: Uint8Array, info: GroupInfo, ratchetTree: RatchetTree, now: number): PublicGroup {
    const context = info.groupContext;
    checkContext(context);
    valid(info.confirmationTag.length === KEY_LENGTH);
    const tree = PublicTree.from(ratchetTree);
    valid(sameBytes(tree.treeHash(), context.treeHash));
    checkMembers(tree, context, now);
    checkGroupInfo(info, tree.leaf(info.signer), context, info.confirmationTag, true);
    const month = monthOf(now);
    const roster = Roster.of(tree, month);
    const { confirmationTag } = info;
    const state = { context, confirmationTag, groupInfo, lastCommitter: undefined, pending: [], roster, tree };
    return new PublicGroup(state);
  }

  /**
   * The group of a state that `encodeInto` wrote. The caller has authenticated the bytes; only their form is checked.
   * `take` gives the memory of what a commit to it computes.
   */
  static decode(state: Uint8Array, take?: Take): PublicGroup {
    return new PublicGroup(decodeState(state), [], take);
  }

  get #tree(): PublicTree {
    return (this.#opened ??= openTree(this.#state.tree, this.#take));
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
  #encoding(): StateEncoding {
    return (this.#encoded ??= encodingOf(this.#state));
  }

  get groupId(): Uint8Array {
    return this.#state.context.groupId;
  }
  get epoch(): number {
    return Number(this.#state.context.epoch);
  }
  /** 32 bytes. */
  get treeHash(): Uint8Array {
    return this.#state.context.treeHash;
  }
  /** 32 bytes, or none in epoch 0. */
  get confirmedTranscriptHash(): Uint8Array {
    return this.#state.context.confirmedTranscriptHash;
  }

  leaf(index: number): PublicLeaf | undefined {
    return this.#state.roster.leaf(index);
  }

  /** Every member's leaf index and sealed queue handle, in leaf order. */
  handles(): Generator<[leafIndex: number, handle: Uint8Array]> {
    return this.#state.roster.handles();
  }

  get memberCount(): number {
    return this.#state.roster.size;
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
    if (message.content.epoch !== this.#state.context.epoch) throw new Fault("group/epoch");
    const parts = commitParts(message);
    checkFraming(message, this.#tree.leaf(parts.committer), this.#state.context);
    const tree = this.#tree.clone();
    const own = Buffer.allocUnsafeSlow(128);
    try {
      const added = applyCommit(tree, parts, this.#state.context, now);
      const transcript = own.subarray(0, KEY_LENGTH);
      const { signature } = message.auth;
      const context = nextContext(transcript, parts, signature, tree, this.#state.context, this.#state.confirmationTag);
      valid(parts.confirmationTag.length === KEY_LENGTH);
      const info = readGroupInfo(groupInfo);
      valid(info.signer === parts.committer);
      checkGroupInfo(info, tree.leaf(info.signer), context, parts.confirmationTag, false);
      checkWelcome(welcome, parts.adds);
      const month = monthOf(now);
      const { confirmationTag, committer: lastCommitter } = parts;
      const change = { committer: lastCommitter, added, removed: parts.removes };
      const roster = this.#state.roster.next(this.#tree, tree, change, month);
      const next = new PublicGroup({ context, confirmationTag, groupInfo, lastCommitter, pending: [], roster, tree }, [
        own,
      ]);
      return { next, committer: parts.committer, added, removed: parts.removes };
    } catch (error) {
      tree.wipe();
      wipe(own);
      throw error instanceof Fault ? error : new Fault("group/invalid");
    }
  }

  /** Clears what this object computed for itself: call when neither it nor a group staged from it is used any more. */
  wipe(): void {
    this.#opened?.wipe();
    if (this.#state.tree instanceof PublicTree) this.#state.tree.wipe();
    wipe(...this.#own);
  }
}

/** The ratchet_tree extension's bytes. */
function treeIn(info: GroupInfo): Uint8Array {
  const extension = info.extensions.find((e) => e.extensionType === "ratchet_tree");
  valid(extension !== undefined);
  return extension.extensionData;
}
