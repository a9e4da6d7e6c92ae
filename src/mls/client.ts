// A member's side of a group: what our clients may do with MLS, and nothing else.
// The library keeps a group's secrets in ordinary memory; a client process is its user's own machine (threat-model).
import {
  createApplicationMessage,
  createCommit,
  createGroup as createMlsGroup,
  createGroupInfoWithExternalPub,
  createGroupInfoWithExternalPubAndRatchetTree,
  decodeGroupState,
  emptyPskIndex,
  encodeGroupState,
  joinGroup,
  mlsExporter,
  processMessage,
  zeroOutUint8Array,
  type ClientState,
  type LeafNode,
  type Proposal,
} from "ts-mls";
import { groupStateEncoder } from "ts-mls/clientState.js";
import { Fault } from "../fault.ts";
import { mlsGroupKey, type SignaturePurpose } from "../crypto/labels.ts";
import { sign, SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { allowed, guarded, sameBytes, strictDecode, valid } from "./codec.ts";
import type { Member, PendingCommit, Received, Sent } from "./client-results.ts";
import { clientConfig, paddedTo } from "./config.ts";
import { leafExtensions, makeKeyPackage, readPrivateKeys } from "./key-package.ts";
import { readHandshakeOrPrivate, readKeyPackage, readWelcome, writeMessage } from "./messages.ts";
import { checkPrivatePath } from "./private-path.ts";
import { PublicTree } from "./public-tree.ts";
import { cipherSuite, KEY_LENGTH } from "./suite.ts";
import { commitParts } from "./validation-commit.ts";
import { checkContext, checkMembers } from "./validation-group.ts";
import { checkKeyPackage, handleOf, pseudonymOf } from "./validation-leaf.ts";
import { varLenDataEncoder } from "ts-mls/codec/variableLength.js";

export interface CommitRequest {
  /** KeyPackage messages. */
  readonly add?: readonly Uint8Array[];
  /** Leaf indices. */
  readonly remove?: readonly number[];
  /** A new sealed queue handle for one's own leaf; the old one stays where this is not given. */
  readonly handle?: Uint8Array;
  /** Unix seconds: the lifetimes of those added are checked against it. */
  readonly now: number;
}

const settler =
  (consumed: Uint8Array[]): (() => void) =>
  () =>
    consumed.forEach(zeroOutUint8Array);

const leafOf = (state: ClientState, index: number): LeafNode | undefined => {
  const node = state.ratchetTree[2 * index];
  return node?.nodeType === "leaf" ? node.leaf : undefined;
};

/** A new group of one. `groupId` is at most 32 bytes, reserved at the delivery service. `now` in Unix seconds. */
export async function createGroup(request: {
  readonly groupId: Uint8Array;
  readonly pseudonym: Uint8Array;
  readonly handle: Uint8Array;
  readonly now: number;
}): Promise<ClientGroup> {
  const { groupId, now } = request;
  // the creator's leaf claims an hour of clock difference and no longer life than its first commit needs
  const own = await makeKeyPackage({ ...request, notBefore: now - 3600, notAfter: now + 86_400 });
  const keyPackage = readKeyPackage(own.keyPackage);
  const keys = readPrivateKeys(own.privateKeys);
  own.privateKeys.fill(0);
  return new ClientGroup(await guarded(() => createMlsGroup(groupId, keyPackage, keys, [], cipherSuite, clientConfig)));
}

/**
 * The group a Welcome leads to. Besides what the library checks, every leaf and the whole tree are checked by the rules
 * the server goes by. `now` in Unix seconds. Throws Fault `group/invalid`, `group/policy`, `group/limit`.
 */
export async function joinFromWelcome(
  welcome: Uint8Array,
  keyPackage: Uint8Array,
  privateKeys: Uint8Array,
  now: number,
): Promise<ClientGroup> {
  const message = readWelcome(welcome);
  const own = readKeyPackage(keyPackage);
  const keys = readPrivateKeys(privateKeys);
  const state = await guarded(() =>
    joinGroup(message, own, keys, emptyPskIndex, cipherSuite, undefined, undefined, clientConfig),
  );
  checkContext(state.groupContext);
  checkPrivatePath(state);
  const tree = PublicTree.from(state.ratchetTree);
  try {
    valid(sameBytes(tree.treeHash(), state.groupContext.treeHash));
    checkMembers(tree, state.groupContext, now);
  } finally {
    tree.wipe();
  }
  return new ClientGroup(state);
}

/** A member's state in one epoch. Immutable: whatever changes it returns the `next` one. */
export class ClientGroup {
  readonly #state: ClientState;

  constructor(state: ClientState) {
    this.#state = state;
  }

  get groupId(): Uint8Array {
    return this.#state.groupContext.groupId;
  }
  get epoch(): number {
    return Number(this.#state.groupContext.epoch);
  }
  /** One's own leaf index. */
  get ownLeaf(): number {
    return this.#state.privatePath.leafIndex;
  }
  /** False after a commit that removed this client. */
  get active(): boolean {
    return this.#state.groupActiveState.kind === "active";
  }
  /** 32 bytes that agree exactly where the group agrees (RFC 9420 section 8.7). */
  get epochAuthenticator(): Uint8Array {
    return this.#state.keySchedule.epochAuthenticator;
  }

  members(): Member[] {
    const members: Member[] = [];
    this.#state.ratchetTree.forEach((node, x) => {
      if (node?.nodeType === "leaf") members.push(memberOf(x / 2, node.leaf));
    });
    return members;
  }

  /** The key that opens the group's state at the delivery service in this epoch: MLS-Exporter (RFC 9420 section 8.5), 32 bytes. */
  async groupKey(): Promise<Uint8Array> {
    const { exporterSecret } = this.#state.keySchedule;
    return mlsExporter(exporterSecret, mlsGroupKey, new Uint8Array(0), KEY_LENGTH, cipherSuite);
  }

  /** An Ed25519 signature by one's leaf key, 64 bytes, under a purpose of src/crypto/labels.ts. */
  signWithLeaf(purpose: SignaturePurpose, ...parts: Uint8Array[]): Uint8Array {
    return sign(new Uint8Array(SIGNATURE_LENGTH), purpose, this.#state.signaturePrivateKey, ...parts);
  }

  /** MLSMessage with this epoch's GroupInfo, external_pub and ratchet tree: what creates the group at the server. */
  async groupInfo(): Promise<Uint8Array> {
    const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(this.#state, [], cipherSuite);
    return writeMessage({ wireformat: "mls_group_info", groupInfo });
  }

  /** Adds, removes, or with neither only renews one's own keys. Always with a path. Throws Fault `group/*`. */
  async commit(request: CommitRequest): Promise<PendingCommit> {
    const { add = [], remove = [], handle, now } = request;
    const state = this.#state;
    const proposals: Proposal[] = add.map((bytes) => {
      const keyPackage = readKeyPackage(bytes);
      checkKeyPackage(keyPackage, state.groupContext, now);
      return { proposalType: "add", add: { keyPackage } };
    });
    for (const removed of remove) proposals.push({ proposalType: "remove", remove: { removed } });
    const result = await guarded(() =>
      createCommit(
        { state, cipherSuite, pskIndex: emptyPskIndex },
        {
          extraProposals: proposals,
          wireAsPublicMessage: true,
          ratchetTreeExtension: true,
          forcePath: true,
          ...(handle === undefined ? {} : { leafNodeExtensions: leafExtensions(handle) }),
        },
      ),
    );
    const next = new ClientGroup(result.newState);
    const groupInfo = await createGroupInfoWithExternalPub(result.newState, [], cipherSuite);
    return {
      commit: writeMessage(result.commit),
      welcome:
        result.welcome === undefined ? undefined : writeMessage({ wireformat: "mls_welcome", welcome: result.welcome }),
      groupInfo: writeMessage({ wireformat: "mls_group_info", groupInfo }),
      nextGroupKey: await next.groupKey(),
      next,
      settle: settler(result.consumed),
    };
  }

  /** Encrypts to the group. Throws Fault `group/invalid` when this client was removed. */
  async send(plaintext: Uint8Array): Promise<Sent> {
    // content is the opaque data and the opaque signature, each with its length (RFC 9420 section 6.3.1)
    const [dataLength] = varLenDataEncoder(plaintext);
    const state = { ...this.#state, clientConfig: paddedTo(dataLength + 2 + SIGNATURE_LENGTH) };
    const result = await guarded(() => createApplicationMessage(state, plaintext, cipherSuite));
    return {
      privateMessage: writeMessage({ wireformat: "mls_private_message", privateMessage: result.privateMessage }),
      next: new ClientGroup({ ...result.newState, clientConfig }),
      settle: settler(result.consumed),
    };
  }

  /**
   * Takes a commit or an application message of another member; one's own commit is not for here: keep `next` of
   * `commit`. Throws Fault `group/epoch` for a commit of another epoch, `group/policy` for handshakes this house does
   * not speak, `group/invalid` for everything else. This group does not change.
   */
  async receive(bytes: Uint8Array): Promise<Received> {
    const message = readHandshakeOrPrivate(bytes);
    const state = this.#state;
    valid(this.active);
    if (message.wireformat === "mls_private_message") {
      allowed(message.privateMessage.contentType === "application");
      valid(sameBytes(message.privateMessage.groupId, this.groupId));
      const result = await guarded(() => processMessage(message, state, emptyPskIndex, () => "reject", cipherSuite));
      valid(result.kind === "applicationMessage" && result.aad.length === 0);
      return {
        kind: "application",
        plaintext: result.message,
        sender: result.senderLeafIndex,
        next: new ClientGroup(result.newState),
        settle: settler(result.consumed),
      };
    }
    const { publicMessage } = message;
    if (publicMessage.content.epoch !== state.groupContext.epoch) throw new Fault("group/epoch");
    const { committer, removes, adds, path } = commitParts(publicMessage);
    const before = leafOf(state, committer);
    valid(before !== undefined && committer !== this.ownLeaf);
    // a leaf stays who it is, whatever the server let through
    allowed(sameBytes(before.signaturePublicKey, path.leafNode.signaturePublicKey));
    allowed(sameBytes(pseudonymOf(before), pseudonymOf(path.leafNode)));
    handleOf(path.leafNode);
    const result = await guarded(() => processMessage(message, state, emptyPskIndex, () => "accept", cipherSuite));
    valid(result.kind === "newState");
    const next = new ClientGroup(result.newState);
    if (next.active) checkPrivatePath(result.newState);
    const taken = next.members();
    return {
      kind: "commit",
      committer,
      added: adds.map(({ leafNode }) => {
        const member = taken.find((m) => sameBytes(m.signaturePublicKey, leafNode.signaturePublicKey));
        valid(member !== undefined);
        return member.leafIndex;
      }),
      removed: removes,
      removedSelf: !next.active,
      next,
      settle: settler(result.consumed),
    };
  }

  /** The whole state with its secrets; the caller seals it. */
  serialize(): Uint8Array {
    return encodeGroupState(this.#state);
  }

  /** A state that `serialize` wrote. The bytes are copied: the library's secrets would be views of them otherwise. */
  static deserialize(bytes: Uint8Array): ClientGroup {
    const own = Buffer.allocUnsafeSlow(bytes.length);
    own.set(bytes);
    const plain = new Uint8Array(own.buffer);
    return new ClientGroup({ ...strictDecode(decodeGroupState, groupStateEncoder, plain), clientConfig });
  }
}

function memberOf(leafIndex: number, leaf: LeafNode): Member {
  return {
    leafIndex,
    pseudonym: pseudonymOf(leaf),
    signaturePublicKey: leaf.signaturePublicKey,
    handle: handleOf(leaf),
  };
}
