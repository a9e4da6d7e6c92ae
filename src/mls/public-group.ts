// A group as a server that holds none of its secrets can follow it: public tree, context, and what may come next.
// It cannot check membership tags, confirmation tags, what path and Welcome ciphertexts hold, nor external_pub: a
// malicious member can get an unusable commit accepted, which members notice and recover from.
import type { GroupContext, GroupInfo, RatchetTree } from "ts-mls";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { allowed, sameBytes, valid, within } from "./codec.ts";
import { readGroupInfo, readPublicMessage, readRatchetTree } from "./messages.ts";
import { checkContextExtensions, type GroupPolicy, policyOf } from "./policy.ts";
import { type PublicLeaf, Roster, type RosterEntry } from "./public-roster.ts";
import {
  decodeState,
  encodingOf,
  monthOf,
  openTree,
  type PendingRemoval,
  type PublicState,
  type StateEncoding,
  treeLength,
  writeTree,
} from "./public-state.ts";
import { PublicTree, type Take } from "./public-tree.ts";
import { KEY_LENGTH, MAX_KEY_PACKAGE, MAX_PENDING } from "./suite.ts";
import { type RemovedLeaf, stageCommit, type CommitEffect } from "./validation-commit.ts";
import {
  checkContext,
  checkGroupInfo,
  checkMembers,
  checkRecovery,
  checkWelcome,
  nextContext,
} from "./validation-group.ts";
import { handleOf } from "./validation-leaf.ts";
import { checkRemoval, makeRemoval, type SignMessage } from "./validation-proposal.ts";

export type { PublicLeaf };

/** A commit that passed every check. Nothing has changed until the caller keeps `next`. */
export interface StagedCommit {
  readonly next: PublicGroup;
  /** Leaf index in `next`. */
  readonly committer: number;
  /** Leaf index before: undefined for one who joins by this commit, perhaps another one for a resync. */
  readonly former: number | undefined;
  /** Leaf indices in `next`, in the order of the Add proposals. */
  readonly added: readonly number[];
  /** Leaf indices in the group before; a resync removes nobody. */
  readonly removed: readonly RemovedLeaf[];
  /** Leaf indices, the same before and after: their pending removal ends with the epoch and was not taken in. */
  readonly lapsed: readonly number[];
}

interface CommitMessages {
  /** PublicMessage. */
  readonly commit: Uint8Array;
  /** GroupInfo of the epoch the commit leads to, signed by the committer, without the tree. */
  readonly groupInfo: Uint8Array;
  /** Unix seconds. */
  readonly now: number;
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
  #treeBytes: Buffer | undefined;

  private constructor(state: PublicState, own: readonly Uint8Array[] = [], take?: Take) {
    this.#state = state;
    this.#own = own;
    this.#take = take;
  }

  /**
   * A group from a member's GroupInfo message with its ratchet tree. `senderKey`: the house's key for proposals, which
   * external_senders names. `now` in Unix seconds. Throws Fault `group/invalid`, `group/policy`, `group/limit`.
   */
  static fromGroupInfo(bytes: Uint8Array, senderKey: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    return PublicGroup.#import(bytes, info, senderKey, now);
  }

  /** A new group: as `fromGroupInfo`, in epoch 0 with its creator as the only member (RFC 9420 section 11). */
  static create(bytes: Uint8Array, senderKey: Uint8Array, now: number): PublicGroup {
    const info = readGroupInfo(bytes);
    // Before the tree is decoded or hashed: whoever founds a group costs the house one leaf.
    const encoded = treeIn(info);
    allowed(info.groupContext.epoch === 0n && encoded.length <= MAX_KEY_PACKAGE);
    allowed(readRatchetTree(encoded).length === 1);
    return PublicGroup.#import(bytes, info, senderKey, now);
  }

  static #import(groupInfo: Uint8Array, info: GroupInfo, senderKey: Uint8Array, now: number): PublicGroup {
    const { groupContext: context, confirmationTag } = info;
    checkContext(context);
    const policy = checkContextExtensions(context.extensions, senderKey);
    valid(confirmationTag.length === KEY_LENGTH);
    const encoded = treeIn(info);
    readRatchetTree(encoded); // for its form
    const tree = PublicTree.open(Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length));
    valid(sameBytes(tree.treeHash(), context.treeHash));
    checkMembers(tree, context, now);
    allowed(policy.admins.every((admin) => tree.leafOf(admin) !== undefined));
    checkGroupInfo(info, tree.leaf(info.signer), context, confirmationTag, true);
    const roster = Roster.of(tree, monthOf(now));
    return new PublicGroup({
      context,
      confirmationTag,
      groupInfo,
      lastCommitter: undefined,
      pending: [],
      roster,
      tree,
    });
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

  get policy(): GroupPolicy {
    return policyOf(this.#state.context);
  }
  /** Verified when they were taken; they end with the epoch. */
  get pending(): readonly PendingRemoval[] {
    return this.#state.pending;
  }
  /** Leaf index of who made the commit to this epoch; undefined in epoch 0. */
  get lastCommitter(): number | undefined {
    return this.#state.lastCommitter;
  }
  /** MLSMessage with this epoch's GroupInfo; with the ratchet tree only in epoch 0, as its creator signed it. */
  get groupInfo(): Uint8Array {
    return this.#state.groupInfo;
  }
  /** Bytes of the ratchet tree's TLS form (RFC 9420 section 12.4.3.3). */
  get treeLength(): number {
    return treeLength(this.#state.tree);
  }
  /** That form: of a decoded group, a view of its state. */
  get treeBytes(): Uint8Array {
    const { tree } = this.#state;
    if (!(tree instanceof PublicTree)) return tree.encoded;
    if (this.#treeBytes === undefined) {
      this.#treeBytes = (this.#take ?? Buffer.allocUnsafeSlow)(treeLength(tree));
      writeTree(tree, this.#treeBytes, 0);
    }
    return this.#treeBytes;
  }

  leaf(index: number): PublicLeaf | undefined {
    return this.#state.roster.leaf(index);
  }

  /** The leaf index of who signs with this key. */
  leafOf(signaturePublicKey: Uint8Array): number | undefined {
    return this.#state.roster.leafOf(signaturePublicKey);
  }

  /** Every member, in leaf order. */
  entries(): Generator<RosterEntry> {
    return this.#state.roster.entries();
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
   * Checks a member's commit, with the Welcome for those it adds and, where it removes anybody, the next group key for
   * each of the others. This group does not change. Throws Fault `group/epoch` for a commit of another epoch,
   * `group/proposals` where it does not take in just what is pending, `group/invalid`, `group/policy`, `group/limit`.
   */
  validateCommit(
    messages: CommitMessages & {
      readonly welcome?: Uint8Array | undefined;
      readonly recovery?: Uint8Array | undefined;
    },
  ): StagedCommit {
    return this.#stage(messages, ({ kind, parts, removed, committer }, context) => {
      allowed(kind === "member");
      checkWelcome(messages.welcome, parts.adds, context);
      const gone = new Set(removed.map(({ leaf }) => leaf)).add(committer);
      const left = removed.length === 0 ? [] : Array.from(this.handles(), ([leaf]) => leaf);
      checkRecovery(
        messages.recovery ?? new Uint8Array(0),
        left.filter((leaf) => !gone.has(leaf)),
      );
    });
  }

  /** An external commit by which the member of `leaf` takes a new leaf for its old one. Throws as `validateCommit`. */
  validateResync(messages: CommitMessages & { readonly leaf: number }): StagedCommit {
    return this.#stage(messages, ({ kind, former }) => {
      allowed(kind === "resync");
      valid(former === messages.leaf);
    });
  }

  /** An external commit by which a connection's second member joins. Throws as `validateCommit`. */
  validateJoin(messages: CommitMessages): StagedCommit & { readonly newcomer: PublicLeaf } {
    const staged = this.#stage(messages, ({ kind }) => allowed(kind === "join"));
    const newcomer = staged.next.leaf(staged.committer);
    valid(newcomer !== undefined);
    return { ...staged, newcomer };
  }

  #stage(
    { commit, groupInfo, now }: CommitMessages,
    check: (staged: CommitEffect, context: GroupContext) => void,
  ): StagedCommit {
    const { context: before, confirmationTag, pending } = this.#state;
    const message = readPublicMessage(commit);
    // also before the tree is opened: a member that lost a race must learn that
    if (message.content.epoch !== before.epoch) throw new Fault("group/epoch");
    const tree = this.#tree.clone();
    const own = (this.#take ?? Buffer.allocUnsafeSlow)(128);
    try {
      const members = Array.from(this.#state.roster.pseudonyms(), ([leaf, pseudonym]) => ({ leaf, pseudonym }));
      const staged = stageCommit(tree, message, { context: before, members, pending }, now);
      const { committer, former, added, removed, lapsed, extensions, parts } = staged;
      const signed = { content: parts.content, signature: message.auth.signature };
      const transcript = own.subarray(0, KEY_LENGTH);
      const context = nextContext(transcript, signed, tree, extensions, before, confirmationTag);
      check(staged, context);
      const info = readGroupInfo(groupInfo);
      valid(info.signer === committer);
      checkGroupInfo(info, tree.leaf(committer), context, parts.confirmationTag, false);
      const next = new PublicGroup(
        {
          context,
          confirmationTag: parts.confirmationTag,
          groupInfo,
          lastCommitter: committer,
          pending: [],
          roster: this.#rosterAfter(tree, staged, monthOf(now)),
          tree,
        },
        [own],
        this.#take,
      );
      return { next, committer, former, added, removed, lapsed };
    } catch (error) {
      tree.wipe();
      wipe(own);
      throw error instanceof Fault ? error : new Fault("group/invalid");
    }
  }

  #rosterAfter(tree: PublicTree, { committer, former, added, removed }: CommitEffect, month: number): Roster {
    const { roster } = this.#state;
    const gone = removed.map(({ leaf }) => leaf);
    const old = former === undefined || former === committer ? undefined : this.#tree.leaf(former);
    if (former === undefined || old === undefined)
      return roster.next(this.#tree, tree, { committer, added, removed: gone }, month);
    // A member that came back in another place: its handle at the house stays as well, unless its leaf has a new one.
    const next = roster.next(this.#tree, tree, { committer, added, removed: [former] }, month);
    const leaf = next.leaf(committer);
    const known = roster.leaf(former);
    valid(leaf !== undefined && known !== undefined);
    return sameBytes(leaf.handle, handleOf(old)) ? next.with(committer, { handle: known.handle }) : next;
  }

  /**
   * Takes a member's proposal to remove itself (PublicMessage). Throws Fault `group/epoch`, `group/invalid`, and
   * `group/policy` for anything else and where its removal is pending already, `group/limit` where too many are.
   */
  validateLeave(proposal: Uint8Array, leaf: number): { readonly next: PublicGroup } {
    const message = readPublicMessage(proposal);
    const parts = checkRemoval(message, this.#state.context, (index) => this.leaf(index)?.signaturePublicKey);
    allowed(!parts.byServer);
    valid(parts.leaf === leaf);
    return { next: this.#withPending(leaf, proposal) };
  }

  /**
   * The house's own proposal to remove a member (RFC 9420 section 12.1.8.1), signed by `sign`; `wipe` of `next` clears
   * it as well. Throws Fault `group/invalid` without that member, `group/policy` where its removal is pending already.
   */
  proposeRemoval(leaf: number, sign: SignMessage): { readonly next: PublicGroup; readonly proposal: Uint8Array } {
    valid(this.leaf(leaf) !== undefined);
    const proposal = makeRemoval(this.#state.context, leaf, sign);
    return { next: this.#withPending(leaf, proposal, proposal), proposal };
  }

  #withPending(leaf: number, message: Uint8Array, ...own: Uint8Array[]): PublicGroup {
    const { pending } = this.#state;
    allowed(!pending.some((other) => other.leaf === leaf));
    within(pending.length < MAX_PENDING);
    return this.#with({ pending: [...pending, { leaf, message }] }, own);
  }

  /** With another sealed queue handle for a member, in the house's list alone. Decodes no tree. Throws Fault `group/invalid`, `group/policy`. */
  withHandle(leaf: number, handle: Uint8Array): PublicGroup {
    return this.#with({ roster: this.#state.roster.with(leaf, { handle }) });
  }

  /** With another month of a member's activity, u16. Decodes no tree. Throws Fault `group/invalid`. */
  withMonth(leaf: number, month: number): PublicGroup {
    return this.#with({ roster: this.#state.roster.with(leaf, { month }) });
  }

  #with(change: Partial<PublicState>, own: readonly Uint8Array[] = []): PublicGroup {
    return new PublicGroup({ ...this.#state, ...change }, [...this.#own, ...own], this.#take);
  }

  /** Clears what this object computed for itself: call when neither it nor a group staged from it is used any more. */
  wipe(): void {
    this.#opened?.wipe();
    if (this.#state.tree instanceof PublicTree) this.#state.tree.wipe();
    wipe(this.#treeBytes, ...this.#own);
  }
}

/** The ratchet_tree extension's bytes. */
function treeIn(info: GroupInfo): Uint8Array {
  const extension = info.extensions.find((e) => e.extensionType === "ratchet_tree");
  valid(extension !== undefined);
  return extension.extensionData;
}
