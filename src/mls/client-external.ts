// External commits (RFC 9420 section 12.4.3.2): a member that lost step takes a new leaf in place of its own, and the
// second of a connection comes in without being added.
import { joinGroupExternal, type GroupContext, type GroupInfo, type RatchetTree } from "ts-mls";
import { Fault } from "../fault.ts";
import { writeGroupInfo, type MadeCommit } from "./client-commit.ts";
import { fresh, ownLeafOf, treeOf, type Held } from "./client-state.ts";
import { allowed, guarded, sameBytes, valid } from "./codec.ts";
import { clientConfig } from "./config.ts";
import { exportGroupKey } from "./group-key.ts";
import { generateKeyPackage, type SignatureKeys } from "./key-package.ts";
import { readGroupInfo, readRatchetTree, writeMessage } from "./messages.ts";
import { checkJoinPolicy, checkContextExtensions, policyOf, samePolicy, senderKeyOf } from "./policy.ts";
import { PublicTree } from "./public-tree.ts";
import { cipherSuite } from "./suite.ts";
import { checkContext, checkGroupInfo, checkMembers } from "./validation-group.ts";
import { handleOf, pseudonymOf } from "./validation-leaf.ts";

/** A group as the delivery service shows it to those who know its key: MLSMessage with GroupInfo, ratchet_tree. */
export interface OfferedGroup {
  readonly groupInfo: Uint8Array;
  readonly tree: Uint8Array;
}

export interface ResyncRequest extends OfferedGroup {
  /** A new sealed queue handle; the old one stays where this is not given. */
  readonly handle?: Uint8Array;
  /** Unix seconds. */
  readonly now: number;
  /** The house said that the group was put back: its epoch may be one before the own state's. */
  readonly afterReset?: boolean;
}

export interface JoinRequest extends OfferedGroup {
  /** 16 random bytes, never used in two groups. */
  readonly pseudonym: Uint8Array;
  /** Sealed queue handle, 88 bytes. */
  readonly handle: Uint8Array;
  /** The house's key that external_senders must name, 32 bytes. */
  readonly senderKey: Uint8Array;
  /** Unix seconds. */
  readonly now: number;
}

interface Offered {
  readonly info: GroupInfo;
  readonly ratchetTree: RatchetTree;
  readonly tree: PublicTree;
}

// Every rule for a group that comes from outside (section 12.4.3.1). What nobody outside can check is external_pub.
function checkOffer(offer: OfferedGroup, senderKey: Uint8Array): Offered {
  const info = readGroupInfo(offer.groupInfo);
  const ratchetTree = readRatchetTree(offer.tree);
  const tree = PublicTree.from(ratchetTree);
  const { groupContext, extensions, confirmationTag } = info;
  checkTreeOf(groupContext, tree, senderKey);
  // a creator's own GroupInfo has the tree in it, which the library would prefer
  const inside = extensions.find(({ extensionType }) => extensionType === "ratchet_tree");
  allowed(inside === undefined || groupContext.epoch === 0n);
  valid(inside === undefined || sameBytes(inside.extensionData, offer.tree));
  checkGroupInfo(info, tree.leaf(info.signer), groupContext, confirmationTag, inside !== undefined);
  return { info, ratchetTree, tree };
}

/** A context, its policy and its tree, as whoever enters a group must check them. Throws Fault `group/*`. */
export function checkTreeOf(context: GroupContext, tree: PublicTree, senderKey: Uint8Array): void {
  checkContext(context);
  const { admins, connection } = checkContextExtensions(context.extensions, senderKey);
  valid(sameBytes(tree.treeHash(), context.treeHash));
  checkMembers(tree, context, undefined);
  allowed(admins.every((admin) => tree.leafOf(admin) !== undefined));
  allowed(!connection || tree.memberCount <= 2);
}

interface Checked {
  readonly offered: Offered;
  /** Whether this client's own tree holds who signed the offer. */
  readonly known: boolean;
}

function checkResync(held: Held, request: ResyncRequest): Checked {
  const { mls } = held;
  const offered = checkOffer(request, senderKeyOf(mls.groupContext));
  const { groupContext } = offered.info;
  valid(sameBytes(groupContext.groupId, mls.groupContext.groupId));
  allowed(policyOf(groupContext).connection === policyOf(mls.groupContext).connection);
  const own = ownLeafOf(mls);
  const former = offered.tree.leafOf(pseudonymOf(own));
  const formerLeaf = former === undefined ? undefined : offered.tree.leaf(former);
  valid(formerLeaf !== undefined && sameBytes(formerLeaf.signaturePublicKey, own.signaturePublicKey));
  const ours = treeOf(held);
  // A group that goes back takes back Adds only: somebody who is not in one's own tree was removed since; and no roles.
  if (groupContext.epoch < mls.groupContext.epoch) {
    allowed(request.afterReset === true && samePolicy(policyOf(groupContext), policyOf(mls.groupContext)));
    for (const [, leaf] of offered.tree.leaves()) allowed(ours.holdsSignatureKey(leaf.signaturePublicKey));
  }
  const signer = offered.tree.leaf(offered.info.signer);
  return { offered, known: signer !== undefined && ours.holdsSignatureKey(signer.signaturePublicKey) };
}

/** True for an offer that `makeResync` refuses for nothing but that this client's own tree does not hold its signer. */
export function isOfStranger(held: Held, request: ResyncRequest): boolean {
  try {
    return !checkResync(held, request).known;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/** One's own new leaf, with pseudonym and signature key of the old one. Throws Fault `group/policy`, `group/invalid`. */
export async function makeResync(held: Held, request: ResyncRequest): Promise<MadeCommit> {
  const { mls } = held;
  const { handle, now } = request;
  const { offered, known } = checkResync(held, request);
  // Leaves can be copied into a tree, and a GroupInfo signed by a leaf that was put beside them: the house could make a
  // whole group that way. What a member signed whom one knew is from a group that this member was in (12.4.3.1).
  allowed(known);
  const own = ownLeafOf(mls);
  const newcomer = { pseudonym: pseudonymOf(own), handle: handle ?? handleOf(own), now };
  const signatureKeys = { publicKey: own.signaturePublicKey, signKey: Uint8Array.from(mls.signaturePrivateKey) };
  const made = await enter(offered, newcomer, signatureKeys, true);
  // what the old leaf could open
  return { ...made, consumed: [mls.keySchedule.initSecret, ...Object.values(mls.privatePath.privateKeys)] };
}

/** The second member of a connection. Throws Fault `group/policy`, `group/invalid`. */
export async function makeJoin(request: JoinRequest): Promise<MadeCommit> {
  const offered = checkOffer(request, request.senderKey);
  checkJoinPolicy(policyOf(offered.info.groupContext), offered.tree.memberCount);
  allowed(offered.tree.leafOf(request.pseudonym) === undefined);
  return enter(offered, request, await cipherSuite.signature.keygen(), false);
}

interface Newcomer {
  readonly pseudonym: Uint8Array;
  readonly handle: Uint8Array;
  readonly now: number;
}

// The library takes the new leaf's identity from a KeyPackage; its init key and lifetime are used nowhere.
async function enter(
  { info, ratchetTree }: Offered,
  { pseudonym, handle, now }: Newcomer,
  signatureKeys: SignatureKeys,
  resync: boolean,
): Promise<MadeCommit> {
  const made = await guarded(async () => {
    const lifetime = { notBefore: now - 3600, notAfter: now + 86_400 };
    const own = await generateKeyPackage({ pseudonym, handle, ...lifetime }, signatureKeys);
    const { publicPackage, privatePackage } = own;
    return joinGroupExternal(info, publicPackage, privatePackage, resync, cipherSuite, ratchetTree, clientConfig);
  });
  const { newState, publicMessage } = made;
  return {
    commit: writeMessage({ wireformat: "mls_public_message", publicMessage }),
    welcome: undefined,
    groupInfo: await writeGroupInfo(newState),
    nextGroupKey: await exportGroupKey(newState.keySchedule.exporterSecret),
    recovery: new Uint8Array(0),
    next: fresh(newState),
    consumed: [],
  };
}
