// What must hold of a leaf and of a KeyPackage (RFC 9420 sections 7.3 and 10.1) and what this house asks beyond.
import type { Extension, GroupContext, KeyPackage, LeafNode } from "ts-mls";
import { keyPackageTBSEncoder } from "ts-mls/keyPackage.js";
import { leafNodeTBSEncoder, type LeafNodeTBS } from "ts-mls/leafNode.js";
import { isSmallOrder } from "../crypto/x25519-points.ts";
import { allowed, sameBytes, valid, within } from "./codec.ts";
import { verifyWithLabel } from "./signed.ts";
import {
  GROUP_POLICY,
  HANDLE_LENGTH,
  KEY_LENGTH,
  LAST_RESORT,
  MAX_CAPABILITIES,
  MAX_EXTENSION_BYTES,
  MAX_EXTENSIONS,
  MAX_LIFETIME,
  PSEUDONYM_LENGTH,
  QUEUE_HANDLE,
  SIGNATURE_LENGTH,
  SUITE,
} from "./suite.ts";

/** The 16-byte pseudonym. Throws Fault `group/policy` for any credential but a basic one of that size. */
export function pseudonymOf(leaf: LeafNode): Uint8Array {
  const { credential } = leaf;
  allowed(credential.credentialType === "basic" && "identity" in credential);
  allowed(credential.identity.length === PSEUDONYM_LENGTH);
  return credential.identity;
}

/** The 88-byte sealed queue handle, the one extension a leaf carries. Throws Fault `group/policy`. */
export function handleOf(leaf: LeafNode): Uint8Array {
  const [extension] = leaf.extensions;
  allowed(leaf.extensions.length === 1 && extension?.extensionType === QUEUE_HANDLE);
  allowed(extension.extensionData.length === HANDLE_LENGTH);
  return extension.extensionData;
}

/** At most one of each type (section 13.4), a bounded number and a bounded total. */
export function checkExtensionList(extensions: readonly Extension[]): void {
  within(extensions.length <= MAX_EXTENSIONS);
  let total = 0;
  extensions.forEach(({ extensionType, extensionData }, i) => {
    total += extensionData.length;
    valid(extensions.findIndex((other) => other.extensionType === extensionType) === i);
  });
  within(total <= MAX_EXTENSION_BYTES);
}

/** An X25519 public key, or a KEM output, which is one: of the suite's length, and one that can be used. */
export const checkEncryptionKey = (key: Uint8Array): void => valid(key.length === KEY_LENGTH && !isSmallOrder(key));

/** Sections 7.2 and 10.1: now lies in the lifetime, and the lifetime is no longer than the house allows. Unix seconds. */
export function checkLifetime(leaf: LeafNode, now: number): void {
  if (leaf.leafNodeSource !== "key_package") return;
  const { notBefore, notAfter } = leaf.lifetime;
  const time = BigInt(Math.floor(now));
  valid(notBefore <= time && time <= notAfter);
  valid(notAfter - notBefore <= BigInt(MAX_LIFETIME));
}

/**
 * Section 7.3 for one leaf at `index` (ignored for the leaf of a KeyPackage, whose signature does not cover it).
 * Uniqueness in the tree and lifetime are checked by the callers, who know the tree and the clock.
 */
export function checkLeaf(leaf: LeafNode, index: number, context: GroupContext): void {
  pseudonymOf(leaf);
  handleOf(leaf);
  checkEncryptionKey(leaf.hpkePublicKey);
  valid(leaf.signaturePublicKey.length === KEY_LENGTH);
  allowed(leaf.leafNodeSource !== "update"); // no Update proposal ever brought it
  const can = leaf.capabilities;
  for (const list of [can.versions, can.ciphersuites, can.extensions, can.proposals, can.credentials]) {
    within(list.length <= MAX_CAPABILITIES);
  }
  // 7.2, 7.3 and 11.1: what the leaf itself uses, and all that a group's context and required_capabilities name (policy.ts)
  valid(can.versions.includes("mls10") && can.ciphersuites.includes(SUITE) && can.credentials.includes("basic"));
  valid(can.extensions.includes(QUEUE_HANDLE) && can.extensions.includes(GROUP_POLICY));
  const signed: LeafNodeTBS =
    leaf.leafNodeSource === "key_package" ? leaf : { ...leaf, groupId: context.groupId, leafIndex: index };
  valid(verifyWithLabel(leaf.signaturePublicKey, "LeafNodeTBS", leafNodeTBSEncoder, signed, leaf.signature));
}

/**
 * Section 10.1. `context` is the group the KeyPackage is to join. `now`: Unix seconds, undefined where the lifetime is
 * not to be looked at, after the fact.
 */
export function checkKeyPackage(keyPackage: KeyPackage, context: GroupContext, now: number | undefined): void {
  const leaf: LeafNode = keyPackage.leafNode;
  valid(keyPackage.version === "mls10" && keyPackage.cipherSuite === context.cipherSuite);
  checkEncryptionKey(keyPackage.initKey);
  valid(!sameBytes(keyPackage.initKey, leaf.hpkePublicKey));
  checkExtensionList(keyPackage.extensions);
  const [extension] = keyPackage.extensions;
  if (extension !== undefined) {
    allowed(keyPackage.extensions.length === 1 && extension.extensionType === LAST_RESORT);
    valid(extension.extensionData.length === 0);
  }
  if (now !== undefined) checkLifetime(leaf, now);
  checkLeaf(leaf, 0, context);
  const { signature } = keyPackage;
  valid(signature.length === SIGNATURE_LENGTH);
  valid(verifyWithLabel(leaf.signaturePublicKey, "KeyPackageTBS", keyPackageTBSEncoder, keyPackage, signature));
}
