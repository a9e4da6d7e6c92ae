// What a server can check of a group that arrives from outside, of a GroupInfo and of a Welcome (RFC 9420 12.4.3, 12.4.3.1).
import type { GroupContext, GroupInfo, KeyPackage, LeafNode } from "ts-mls";
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { groupContextEncoder } from "ts-mls/groupContext.js";
import { groupInfoTBSEncoder } from "ts-mls/groupInfo.js";
import { allowed, sameBytes, strictDecode, valid, withEncoded, within, withScratch } from "./codec.ts";
import { readWelcome } from "./messages.ts";
import { keyPackageRef, verifyWithLabel } from "./signed.ts";
import type { PublicTree } from "./public-tree.ts";
import { KEY_LENGTH, MAX_GROUP_ID, MAX_MEMBERS, SUITE } from "./suite.ts";
import { checkExtensionList, checkLeaf, checkLifetime } from "./validation-leaf.ts";
import { checkTree } from "./validation-tree.ts";

/** The part of a GroupContext that does not follow from the tree (section 8.1), and what this house allows in it. */
export function checkContext(context: GroupContext): void {
  valid(context.version === "mls10" && context.cipherSuite === SUITE);
  within(context.groupId.length <= MAX_GROUP_ID);
  within(context.epoch < 2n ** 48n);
  valid(context.treeHash.length === KEY_LENGTH);
  valid(context.confirmedTranscriptHash.length === (context.epoch === 0n ? 0 : KEY_LENGTH));
  checkExtensionList(context.extensions);
  allowed(context.extensions.every((extension) => extension.extensionType === "required_capabilities"));
}

/** Every leaf of a tree and the tree itself, as one who joins or takes up a group must check (section 12.4.3.1). */
export function checkMembers(tree: PublicTree, context: GroupContext, now: number): void {
  checkTree(tree);
  let members = 0;
  for (const [index, leaf] of tree.leaves()) {
    checkLeaf(leaf, index, context);
    // a member's KeyPackage may well have run out since it joined; only a creator's own must be fresh
    if (context.epoch === 0n) checkLifetime(leaf, now);
    members++;
  }
  within(members <= MAX_MEMBERS);
}

const sameContext = (a: GroupContext, b: GroupContext): boolean =>
  withEncoded(groupContextEncoder, a, (x) => withEncoded(groupContextEncoder, b, (y) => x.equals(y)));

/**
 * A GroupInfo signed by leaf `signer` for exactly this context and confirmation tag. It carries `external_pub`, which
 * nobody outside can check, and, where `withTree`, the ratchet tree; nothing else.
 */
export function checkGroupInfo(
  info: GroupInfo,
  signer: LeafNode | undefined,
  context: GroupContext,
  confirmationTag: Uint8Array,
  withTree: boolean,
): void {
  valid(signer !== undefined);
  valid(sameContext(info.groupContext, context));
  valid(sameBytes(info.confirmationTag, confirmationTag));
  const types = info.extensions.map((extension) => extension.extensionType);
  allowed(types.length === (withTree ? 2 : 1) && types[0] === "external_pub");
  allowed(!withTree || types[1] === "ratchet_tree");
  const externalPub = strictDecode(
    decodeVarLenData,
    varLenDataEncoder,
    info.extensions[0]?.extensionData ?? new Uint8Array(0),
  );
  valid(externalPub.length === KEY_LENGTH);
  valid(verifyWithLabel(signer.signaturePublicKey, "GroupInfoTBS", groupInfoTBSEncoder, info, info.signature));
}

/** A Welcome that addresses each added KeyPackage once and nobody else; none at all when nobody is added. */
export function checkWelcome(bytes: Uint8Array | undefined, added: readonly KeyPackage[]): void {
  valid((bytes === undefined) === (added.length === 0));
  if (bytes === undefined) return;
  const welcome = readWelcome(bytes);
  valid(welcome.cipherSuite === SUITE && welcome.secrets.length === added.length);
  for (const keyPackage of added) {
    withScratch(KEY_LENGTH, (ref) => {
      keyPackageRef(ref, keyPackage);
      valid(welcome.secrets.filter(({ newMember }) => sameBytes(newMember, ref)).length === 1);
    });
  }
  for (const { encryptedGroupSecrets } of welcome.secrets) {
    valid(encryptedGroupSecrets.kemOutput.length === KEY_LENGTH);
  }
}
