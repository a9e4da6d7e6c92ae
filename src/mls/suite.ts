// The one cipher suite of the house, what every leaf must say it can do, and the bounds of a group.
import type { Capabilities, CiphersuiteImpl, CiphersuiteName } from "ts-mls";
import { mlsSuites } from "../crypto/mls-provider.ts";

/** Cipher suite 1 (RFC 9420 section 17.1). */
export const SUITE: CiphersuiteName = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
/** The suite's primitives. The library types keys as WebCrypto's `CryptoKey` but never looks inside them. */
export const cipherSuite = mlsSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 as unknown as CiphersuiteImpl;

/** Private-use leaf extension (RFC 9420 section 17.3): the member's sealed queue handle, opaque to everyone but its queuing service. */
export const QUEUE_HANDLE = 0xf0a1;
/** Private-use GroupContext extension: who may do what in the group (policy.ts). */
export const GROUP_POLICY = 0xf0a2;
/** KeyPackage extension that marks the one that may be handed out again (RFC 9750 section 5.1, IANA 0x000a). */
export const LAST_RESORT = 0x000a;

/** Bytes of a queue handle, a pseudonym, and every public key and hash of the suite. */
export const HANDLE_LENGTH = 88;
export const PSEUDONYM_LENGTH = 16;
export const KEY_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;

export const capabilities: Capabilities = {
  versions: ["mls10"],
  ciphersuites: [SUITE],
  extensions: [LAST_RESORT, QUEUE_HANDLE, GROUP_POLICY],
  proposals: [],
  credentials: ["basic"],
};

/** The identity of the basic credential by which the house proposes (RFC 9420 section 12.1.8.1). */
export const SENDER_IDENTITY: Uint8Array = Buffer.from("tacet delivery service", "latin1");
/** Index of the house in external_senders: its only entry. */
export const SENDER_INDEX = 0;

/** Members of a group. The tree codec of the library overflows the stack from 8,000 leaves on. */
export const MAX_MEMBERS = 1000;
/** Members that one commit adds: each costs whoever checks it two signatures and a look through the tree. */
export const MAX_ADDS = 100;
/** Proposals that wait at once: after a resync each of them goes to every member again. */
export const MAX_PENDING = 16;
/** Nodes of the smallest full tree that holds MAX_MEMBERS leaves (RFC 9420 appendix C: 2 * 1024 - 1). */
export const MAX_NODES = 2047;
export const MAX_GROUP_ID = 32;
/** Admins of a group. */
export const MAX_ADMINS = 64;
/** Entries of a leaf's capabilities, each list by itself: a leaf stays in the group's state for as long as its member. */
export const MAX_CAPABILITIES = 32;
/** Extensions of one list. */
export const MAX_EXTENSIONS = 8;
/** Bytes of all extension data of one list, the ratchet tree apart. */
export const MAX_EXTENSION_BYTES = 1024;
/** Bytes of a KeyPackage message: ours take 385. */
export const MAX_KEY_PACKAGE = 1024;
/** Seconds between not_before and not_after that a leaf may claim (RFC 9420 section 7.2). */
export const MAX_LIFETIME = 100 * 86_400;
