// What a server can check of a group that arrives from outside, of a GroupInfo and of a Welcome (RFC 9420 12.4.3, 12.4.3.1).
import type { Extension, GroupContext, GroupInfo, KeyPackage, LeafNode } from "ts-mls";
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import type { FramedContentCommit } from "ts-mls/framedContent.js";
import { groupContextEncoder } from "ts-mls/groupContext.js";
import { groupInfoTBSEncoder } from "ts-mls/groupInfo.js";
import { confirmedTranscriptHashInputEncoder } from "ts-mls/transcriptHash.js";
import { sha256 } from "../crypto/hash.ts";
import { allowed, sameBytes, strictDecode, valid, withEncoded, within, withScratch } from "./codec.ts";
import { readWelcome } from "./messages.ts";
import { keyPackageRef, verifyWithLabel } from "./signed.ts";
import type { PublicTree } from "./public-tree.ts";
import { KEY_LENGTH, MAX_GROUP_ID, MAX_MEMBERS, SUITE } from "./suite.ts";
import { checkEncryptionKey, checkLeaf, checkLifetime } from "./validation-leaf.ts";
import { checkTree } from "./validation-tree.ts";

/** Epochs travel as u48. */
const MAX_EPOCH = 2n ** 48n - 1n;
/** GroupSecrets with a joiner secret and a path secret of 32 bytes each and no PSK (section 12.4.3.1), and the AEAD's tag. */
const GROUP_SECRETS_CIPHERTEXT = 33 + 34 + 1 + 16;
/** Of a sealed GroupInfo, behind its context: an empty list of extensions, confirmation tag, signer, signature, the AEAD's tag. */
const GROUP_INFO_REST = 1 + 33 + 4 + 66 + 16;
/** Bytes of extensions in a Welcome's GroupInfo: room for external_pub. */
const MAX_WELCOME_EXTENSIONS = 64;
const RECOVERY_ENTRY = 2 + 80;

/** The part of a GroupContext that does not follow from the tree (section 8.1); its extensions: policy.ts. */
export function checkContext(context: GroupContext): void {
  valid(context.version === "mls10" && context.cipherSuite === SUITE);
  within(context.groupId.length <= MAX_GROUP_ID);
  within(context.epoch <= MAX_EPOCH);
  valid(context.treeHash.length === KEY_LENGTH);
  valid(context.confirmedTranscriptHash.length === (context.epoch === 0n ? 0 : KEY_LENGTH));
}

/** Every leaf of a tree and the tree itself, as one who joins or takes up a group must check (section 12.4.3.1). */
export function checkMembers(tree: PublicTree, context: GroupContext, now: number | undefined): void {
  checkTree(tree);
  let members = 0;
  for (const [index, leaf] of tree.leaves()) {
    checkLeaf(leaf, index, context);
    // a member's KeyPackage may well have run out since it joined; only a creator's own must be fresh, when it creates
    if (context.epoch === 0n && now !== undefined) checkLifetime(leaf, now);
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
  checkEncryptionKey(externalPub);
  valid(verifyWithLabel(signer.signaturePublicKey, "GroupInfoTBS", groupInfoTBSEncoder, info, info.signature));
}

/**
 * A Welcome to the epoch of `context` that addresses each added KeyPackage once and nobody else; none at all when nobody
 * is added. Its GroupInfo is sealed, but its length tells that it is one, and that it does not carry the tree.
 */
export function checkWelcome(bytes: Uint8Array | undefined, added: readonly KeyPackage[], context: GroupContext): void {
  valid((bytes === undefined) === (added.length === 0));
  if (bytes === undefined) return;
  const welcome = readWelcome(bytes);
  valid(welcome.cipherSuite === SUITE && welcome.secrets.length === added.length);
  const [contextLength] = groupContextEncoder(context);
  const extensions = welcome.encryptedGroupInfo.length - contextLength - GROUP_INFO_REST;
  valid(extensions >= 0);
  within(extensions <= MAX_WELCOME_EXTENSIONS);
  for (const keyPackage of added) {
    withScratch(KEY_LENGTH, (ref) => {
      keyPackageRef(ref, keyPackage);
      valid(welcome.secrets.filter(({ newMember }) => sameBytes(newMember, ref)).length === 1);
    });
  }
  for (const { encryptedGroupSecrets } of welcome.secrets) {
    checkEncryptionKey(encryptedGroupSecrets.kemOutput);
    valid(encryptedGroupSecrets.ciphertext.length === GROUP_SECRETS_CIPHERTEXT);
  }
}

/**
 * The next group key for the members who do not see this commit: one entry for each of `leaves`, ascending, u16 leaf
 * index || 80 bytes that only that member can judge.
 */
export function checkRecovery(recovery: Uint8Array, leaves: readonly number[]): void {
  valid(recovery.length === RECOVERY_ENTRY * leaves.length);
  leaves.forEach((leaf, i) => {
    const at = RECOVERY_ENTRY * i;
    valid((((recovery[at] ?? 0) << 8) | (recovery[at + 1] ?? 0)) === leaf);
    checkEncryptionKey(recovery.subarray(at + 2, at + 2 + KEY_LENGTH));
  });
}

/**
 * The context of the next epoch (sections 8.1 and 8.2). `out` takes the confirmed transcript hash, 32 bytes. The interim
 * hash of the epoch that ends is made from its confirmation tag.
 */
export function nextContext(
  out: Uint8Array,
  { content, signature }: { readonly content: FramedContentCommit; readonly signature: Uint8Array },
  tree: PublicTree,
  extensions: readonly Extension[],
  context: GroupContext,
  confirmationTag: Uint8Array,
): GroupContext {
  within(context.epoch < MAX_EPOCH);
  const input = { wireformat: "mls_public_message" as const, content, signature };
  withEncoded(varLenDataEncoder, confirmationTag, (tag) => sha256(out, context.confirmedTranscriptHash, tag));
  withEncoded(confirmedTranscriptHashInputEncoder, input, (bytes) => sha256(out, out, bytes));
  const epoch = context.epoch + 1n;
  return {
    ...context,
    epoch,
    treeHash: tree.treeHash(),
    confirmedTranscriptHash: out,
    extensions: [...extensions],
  };
}
