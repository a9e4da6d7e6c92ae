// KeyPackages (RFC 9420 section 10): made by a client for its own pseudonym, read by whoever adds it.
import { generateKeyPackageWithKey, type Extension, type GroupContext, type PrivateKeyPackage } from "ts-mls";
import { Fault } from "../fault.ts";
import { allowed } from "./codec.ts";
import { readKeyPackage, writeMessage } from "./messages.ts";
import { keyPackageRef } from "./signed.ts";
import {
  capabilities,
  cipherSuite,
  HANDLE_LENGTH,
  KEY_LENGTH,
  LAST_RESORT,
  PSEUDONYM_LENGTH,
  QUEUE_HANDLE,
  SUITE,
} from "./suite.ts";
import { checkKeyPackage, handleOf, pseudonymOf } from "./validation-leaf.ts";

/** Bytes of serialised private keys: init key(32) || leaf encryption key(32) || Ed25519 seed(32) || public key(32). */
export const PRIVATE_KEYS_LENGTH = 128;

export interface KeyPackageRequest {
  /** 16 random bytes, never used in two groups. */
  readonly pseudonym: Uint8Array;
  /** Sealed queue handle, 88 bytes. */
  readonly handle: Uint8Array;
  /** Unix seconds; at most MAX_LIFETIME apart. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** May be handed out more than once. */
  readonly lastResort?: boolean;
}

export interface OwnKeyPackage {
  /** MLSMessage. */
  readonly keyPackage: Uint8Array;
  /** Secret: 128 bytes, for `joinFromWelcome`; the caller wipes them. */
  readonly privateKeys: Uint8Array;
  /** KeyPackageRef, 32 bytes. */
  readonly ref: Uint8Array;
  readonly signaturePublicKey: Uint8Array;
  /** Secret: a view of `privateKeys`, in the 64-byte form that src/crypto/sign.ts takes. */
  readonly signPrivate: Uint8Array;
}

/** Ed25519; `signKey` in the 64-byte form that src/crypto/sign.ts takes. */
export interface SignatureKeys {
  readonly publicKey: Uint8Array;
  readonly signKey: Uint8Array;
}

export type GeneratedKeyPackage = Awaited<ReturnType<typeof generateKeyPackageWithKey>>;

/** The one extension of our leaves. */
export const leafExtensions = (handle: Uint8Array): Extension[] => {
  allowed(handle.length === HANDLE_LENGTH);
  return [{ extensionType: QUEUE_HANDLE, extensionData: handle }];
};

/** A KeyPackage in the library's form, under the given signature key pair. Throws Fault `group/policy`. */
export function generateKeyPackage(
  request: KeyPackageRequest,
  signatureKeys: SignatureKeys,
): Promise<GeneratedKeyPackage> {
  allowed(request.pseudonym.length === PSEUDONYM_LENGTH);
  return generateKeyPackageWithKey(
    { credentialType: "basic", identity: request.pseudonym },
    capabilities,
    { notBefore: BigInt(request.notBefore), notAfter: BigInt(request.notAfter) },
    request.lastResort === true ? [{ extensionType: LAST_RESORT, extensionData: new Uint8Array(0) }] : [],
    signatureKeys,
    cipherSuite,
    leafExtensions(request.handle),
  );
}

/** A fresh KeyPackage with fresh keys. Throws Fault `group/policy` for a pseudonym or handle of another size. */
export async function makeKeyPackage(request: KeyPackageRequest): Promise<OwnKeyPackage> {
  const signatureKeys = await cipherSuite.signature.keygen();
  const { publicPackage, privatePackage } = await generateKeyPackage(request, signatureKeys);
  const privateKeys = Buffer.allocUnsafeSlow(PRIVATE_KEYS_LENGTH);
  const { initPrivateKey, hpkePrivateKey, signaturePrivateKey } = privatePackage;
  privateKeys.set(initPrivateKey, 0);
  privateKeys.set(hpkePrivateKey, 32);
  privateKeys.set(signaturePrivateKey, 64);
  for (const secret of [initPrivateKey, hpkePrivateKey, signaturePrivateKey]) secret.fill(0);
  return {
    keyPackage: writeMessage({ wireformat: "mls_key_package", keyPackage: publicPackage }),
    privateKeys,
    ref: keyPackageRef(new Uint8Array(KEY_LENGTH), publicPackage),
    signaturePublicKey: signatureKeys.publicKey,
    signPrivate: privateKeys.subarray(64),
  };
}

/** The library's form of serialised private keys, as copies of their own. Throws Fault `group/invalid`. */
export function readPrivateKeys(bytes: Uint8Array): PrivateKeyPackage {
  if (bytes.length !== PRIVATE_KEYS_LENGTH) throw new Fault("group/invalid");
  return {
    initPrivateKey: Uint8Array.from(bytes.subarray(0, 32)),
    hpkePrivateKey: Uint8Array.from(bytes.subarray(32, 64)),
    signaturePrivateKey: Uint8Array.from(bytes.subarray(64)),
  };
}

/** What a KeyPackage says of its owner; views of the bytes it was read from, `ref` apart. */
export interface KeyPackageOwner {
  readonly pseudonym: Uint8Array;
  readonly handle: Uint8Array;
  readonly signaturePublicKey: Uint8Array;
  readonly ref: Uint8Array;
  readonly lastResort: boolean;
}

const anyGroup: GroupContext = {
  version: "mls10",
  cipherSuite: SUITE,
  groupId: new Uint8Array(0),
  epoch: 0n,
  treeHash: new Uint8Array(0),
  confirmedTranscriptHash: new Uint8Array(0),
  extensions: [],
};

/** Checks a KeyPackage message as an adder must, for a group without extensions. `now` in Unix seconds. Throws `group/*`. */
export function inspectKeyPackage(bytes: Uint8Array, now: number): KeyPackageOwner {
  const keyPackage = readKeyPackage(bytes);
  checkKeyPackage(keyPackage, anyGroup, now);
  return {
    pseudonym: pseudonymOf(keyPackage.leafNode),
    handle: handleOf(keyPackage.leafNode),
    signaturePublicKey: keyPackage.leafNode.signaturePublicKey,
    ref: keyPackageRef(new Uint8Array(KEY_LENGTH), keyPackage),
    lastResort: keyPackage.extensions.length > 0,
  };
}
