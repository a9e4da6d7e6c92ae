// A member's side of a group: what our clients may do with MLS, and nothing else.
// The library keeps a group's secrets in ordinary memory; a client process is its user's own machine (threat-model).
import {
  createApplicationMessage,
  createGroup as createMlsGroup,
  createGroupInfoWithExternalPubAndRatchetTree,
  emptyPskIndex,
  joinGroup,
} from "ts-mls";
import { varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import type { SignaturePurpose } from "../crypto/labels.ts";
import { sign, SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { makeCommit, type CommitRequest, type MadeCommit } from "./client-commit.ts";
import {
  checkTreeOf,
  isOfStranger,
  makeJoin,
  makeResync,
  type JoinRequest,
  type ResyncRequest,
} from "./client-external.ts";
import { makeLeave, takeProposal } from "./client-proposals.ts";
import { takeApplication, takeCommit } from "./client-receive.ts";
import { openRecovery } from "./client-recovery.ts";
import type { Member, PendingCommit, Received, Sent } from "./client-results.ts";
import { fresh, leafOf, membersOf, readHeld, settler, writeHeld, type Held } from "./client-state.ts";
import { openWelcome } from "./client-welcome.ts";
import { guarded, valid } from "./codec.ts";
import { clientConfig, paddedTo } from "./config.ts";
import { exportGroupKey } from "./group-key.ts";
import { makeKeyPackage, readPrivateKeys } from "./key-package.ts";
import { readHandshakeOrPrivate, readKeyPackage, readRatchetTree, readWelcome, writeMessage } from "./messages.ts";
import { contextExtensions, includes, policyOf, type GroupPolicy } from "./policy.ts";
import { checkPrivatePath } from "./private-path.ts";
import type { PendingRemoval } from "./validation-proposal.ts";
import { PublicTree } from "./public-tree.ts";
import { cipherSuite } from "./suite.ts";
import { pseudonymOf } from "./validation-leaf.ts";

export type { CommitRequest } from "./client-commit.ts";

/**
 * A new group of one, who is its admin. `groupId` is at most 32 bytes, reserved at the delivery service; `senderKey` is
 * the house's key that may propose removals, 32 bytes. `now` in Unix seconds.
 */
export async function createGroup(request: {
  readonly groupId: Uint8Array;
  readonly pseudonym: Uint8Array;
  readonly handle: Uint8Array;
  readonly senderKey: Uint8Array;
  readonly policy?: Pick<GroupPolicy, "membersMayAdd" | "connection">;
  readonly now: number;
}): Promise<ClientGroup> {
  const { groupId, pseudonym, senderKey, now } = request;
  const policy = request.policy ?? { membersMayAdd: false, connection: false };
  // the creator's leaf claims an hour of clock difference and no longer life than its first commit needs
  const own = await makeKeyPackage({ ...request, notBefore: now - 3600, notAfter: now + 86_400 });
  const keyPackage = readKeyPackage(own.keyPackage);
  const keys = readPrivateKeys(own.privateKeys);
  own.privateKeys.fill(0);
  const extensions = contextExtensions({ ...policy, admins: [pseudonym] }, senderKey);
  const make = () => createMlsGroup(groupId, keyPackage, keys, extensions, cipherSuite, clientConfig);
  return new ClientGroup(fresh(await guarded(make)));
}

/**
 * What a Welcome tells before the tree is known: the group, its epoch and the key (32 bytes) with which the house gives
 * out the tree of that epoch. Throws Fault `group/invalid`, `group/policy`.
 */
export async function welcomeGroupKey(
  welcome: Uint8Array,
  keyPackage: Uint8Array,
  privateKeys: Uint8Array,
): Promise<{ readonly groupId: Uint8Array; readonly epoch: number; readonly groupKey: Uint8Array }> {
  const own = readKeyPackage(keyPackage);
  const { groupInfo, groupKey } = await openWelcome(readWelcome(welcome), own, readPrivateKeys(privateKeys));
  const { groupId, epoch } = groupInfo.groupContext;
  return { groupId, epoch: Number(epoch), groupKey };
}

/**
 * The group a Welcome leads to, with the ratchet tree of its epoch (TLS form). Besides what the library checks, every
 * leaf, the whole tree and the policy are checked by the rules the server goes by; lifetimes are not, which the adder
 * checked. `senderKey`: the house's key that the group must name. Throws Fault `group/invalid`, `group/policy`, `group/limit`.
 */
export async function joinFromWelcome(
  welcome: Uint8Array,
  keyPackage: Uint8Array,
  privateKeys: Uint8Array,
  tree: Uint8Array,
  senderKey: Uint8Array,
): Promise<ClientGroup> {
  const message = readWelcome(welcome);
  const own = readKeyPackage(keyPackage);
  const keys = readPrivateKeys(privateKeys);
  const { groupInfo } = await openWelcome(message, own, keys);
  const nodes = readRatchetTree(tree);
  const publicTree = PublicTree.from(nodes);
  // before the library sees it, which takes longer over a tree that nobody could have made
  checkTreeOf(groupInfo.groupContext, publicTree, senderKey);
  const state = await guarded(() =>
    joinGroup(message, own, keys, emptyPskIndex, cipherSuite, nodes, undefined, clientConfig),
  );
  checkPrivatePath(state);
  return new ClientGroup(fresh(state, publicTree));
}

/** The second member of a connection, by a commit of its own. Throws Fault `group/policy`, `group/invalid`, `group/limit`. */
export const externalJoin = async (request: JoinRequest): Promise<PendingCommit> => pendingOf(await makeJoin(request));

const pendingOf = ({ next, consumed, ...made }: MadeCommit): PendingCommit => ({
  ...made,
  next: new ClientGroup(next),
  settle: settler(consumed),
});

/** A member's state in one epoch. Immutable: whatever changes it returns the `next` one. */
export class ClientGroup {
  readonly #held: Held;

  constructor(held: Held) {
    this.#held = held;
  }

  get #context() {
    return this.#held.mls.groupContext;
  }

  get groupId(): Uint8Array {
    return this.#context.groupId;
  }
  get epoch(): number {
    return Number(this.#context.epoch);
  }
  /** One's own leaf index. */
  get ownLeaf(): number {
    return this.#held.mls.privatePath.leafIndex;
  }
  /** False after a commit that removed this client. */
  get active(): boolean {
    return this.#held.mls.groupActiveState.kind === "active";
  }
  /** 32 bytes that agree exactly where the group agrees (RFC 9420 section 8.7). */
  get epochAuthenticator(): Uint8Array {
    return this.#held.mls.keySchedule.epochAuthenticator;
  }
  get policy(): GroupPolicy {
    return policyOf(this.#context);
  }
  /** The proposals of this epoch that the next commit takes in, and the leaves they remove. */
  get pending(): readonly PendingRemoval[] {
    return this.#held.pending;
  }

  isAdmin(leaf: number): boolean {
    const node = leafOf(this.#held.mls, leaf);
    return node !== undefined && includes(this.policy.admins, pseudonymOf(node));
  }

  members(): Member[] {
    return membersOf(this.#held.mls);
  }

  /** The key that opens the group's state at the delivery service in this epoch, 32 bytes. */
  groupKey(): Promise<Uint8Array> {
    return exportGroupKey(this.#held.mls.keySchedule.exporterSecret);
  }

  /** An Ed25519 signature by one's leaf key, 64 bytes, under a purpose of src/crypto/labels.ts. */
  signWithLeaf(purpose: SignaturePurpose, ...parts: Uint8Array[]): Uint8Array {
    return sign(new Uint8Array(SIGNATURE_LENGTH), purpose, this.#held.mls.signaturePrivateKey, ...parts);
  }

  /** MLSMessage with this epoch's GroupInfo, external_pub and ratchet tree: what creates the group at the server. */
  async groupInfo(): Promise<Uint8Array> {
    const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(this.#held.mls, [], cipherSuite);
    return writeMessage({ wireformat: "mls_group_info", groupInfo });
  }

  /**
   * Adds, removes, changes the policy, or with none of these only renews one's own keys. Takes in all pending proposals
   * and whatever change of the policy follows from a removal. Always with a path. Throws Fault `group/*`.
   */
  async commit(request: CommitRequest): Promise<PendingCommit> {
    return pendingOf(await makeCommit(this.#held, request));
  }

  /** MLSMessage with the proposal to remove oneself, for the delivery service. The next commit of another takes it in. */
  async leave(): Promise<{ readonly proposal: Uint8Array }> {
    return { proposal: await makeLeave(this.#held) };
  }

  /** Verifies and keeps a proposal of this epoch. Throws Fault `group/epoch`, `group/policy`, `group/invalid`. */
  async takeProposal(proposal: Uint8Array): Promise<ClientGroup> {
    return new ClientGroup((await takeProposal(this.#held, proposal)).held);
  }

  /**
   * Comes back into step with a group as the house offers it: a new leaf in place of the own one, same pseudonym and
   * signature key. Throws Fault `group/policy` also for a group that went back without `afterReset`, or that has members
   * again who were removed.
   */
  async resync(request: ResyncRequest): Promise<PendingCommit> {
    return pendingOf(await makeResync(this.#held, request));
  }

  /**
   * Whether `resync` refuses a group for nothing but that its last committer is none whom this client knows: one who was
   * added since, or whom the house made up. The next commit of another member decides it.
   */
  isOfStranger(request: ResyncRequest): boolean {
    return isOfStranger(this.#held, request);
  }

  /**
   * The group key (32 bytes) behind `epoch`, this one or a later one of which this client knows no more than its key,
   * from the 80 bytes that a committer sealed for it. Throws Fault `group/invalid`.
   */
  openRecovery(epoch: number, sealed: Uint8Array): Promise<Uint8Array> {
    return openRecovery(this.#held.mls, epoch, sealed);
  }

  /** Encrypts to the group. Throws Fault `group/invalid` when this client was removed. */
  async send(plaintext: Uint8Array): Promise<Sent> {
    // content is the opaque data and the opaque signature, each with its length (RFC 9420 section 6.3.1)
    const [dataLength] = varLenDataEncoder(plaintext);
    const state = { ...this.#held.mls, clientConfig: paddedTo(dataLength + 2 + SIGNATURE_LENGTH) };
    const result = await guarded(() => createApplicationMessage(state, plaintext, cipherSuite));
    return {
      privateMessage: writeMessage({ wireformat: "mls_private_message", privateMessage: result.privateMessage }),
      next: new ClientGroup({ ...this.#held, mls: { ...result.newState, clientConfig } }),
      settle: settler(result.consumed),
    };
  }

  /**
   * Takes a commit, a proposal or an application message of another member or the house; one's own commit is not for
   * here: keep `next` of `commit`. Throws Fault `group/epoch` for a handshake of another epoch, `group/proposals` for a
   * commit that does not take in the very proposals held here, `group/policy` for what this house does not allow,
   * `group/invalid` for everything else. This group does not change.
   */
  async receive(bytes: Uint8Array): Promise<Received> {
    const message = readHandshakeOrPrivate(bytes);
    valid(this.active);
    if (message.wireformat === "mls_private_message") {
      const { plaintext, sender, held, consumed } = await takeApplication(this.#held, message.privateMessage);
      return { kind: "application", plaintext, sender, next: new ClientGroup(held), settle: settler(consumed) };
    }
    if (message.publicMessage.content.contentType === "proposal") {
      const { held, leaf, byServer } = await takeProposal(this.#held, bytes);
      return { kind: "proposal", leaf, byServer, next: new ClientGroup(held), settle: settler([]) };
    }
    const { effect, removedSelf, held, consumed } = await takeCommit(this.#held, message.publicMessage);
    return {
      kind: "commit",
      committer: effect.committer,
      added: effect.kind === "join" ? [effect.committer] : effect.added,
      removed: effect.removed.map(({ leaf }) => leaf),
      resynced: effect.kind === "resync" ? effect.former : undefined,
      removedSelf,
      next: new ClientGroup(held),
      settle: settler(consumed),
    };
  }

  /** The whole state with its secrets and pending proposals; the caller seals it. */
  serialize(): Uint8Array {
    return writeHeld(this.#held);
  }

  /** A state that `serialize` wrote; its bytes are copied. Throws Fault `group/invalid`. */
  static deserialize(bytes: Uint8Array): ClientGroup {
    return new ClientGroup(readHeld(bytes));
  }
}
