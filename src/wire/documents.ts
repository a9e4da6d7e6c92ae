// Documents that outlive a request: the server directory, credentials, connection packages, what members tell each other.
// A signed document is body || signature(64); the signature covers the body's exact bytes (labels: src/crypto/labels.ts).
import { Fault } from "../fault.ts";
import { bytes, fixed, list, struct, u32, u48, u8 } from "./codec.ts";

export const NAME_MAX = 32;
export const CREDENTIAL_MAX = 512;
export const CONNECTION_PACKAGE_MAX = 256;
/** Every sealed offer is this long, whatever is in it. */
export const OFFER_LENGTH = 2048;
export const KEY_PACKAGE_MAX = 1536;
export const SEALED_KEY_PACKAGE_MAX = 1536;
/** One queue item with its ratchet seal; a read of one item always fits the medium reply. */
export const ITEM_MAX = 30000;
export const SEALED_ITEM_MAX = ITEM_MAX + 64;

const id = fixed(16);
const key = fixed(32);
const DOCUMENT_VERSION = 1;
export { DOCUMENT_VERSION };

/** AS intermediate credential, signed by the offline root (`intermediate`). Days since 1970-01-01, both inclusive. */
export const intermediate = struct({ version: u8, key, notBefore: u32, notAfter: u32 });

/** AS intermediates that count no more, signed by the offline root (`revocations`). A later list has a higher number. */
export const revocations = struct({ version: u8, number: u32, issuedOn: u32, keys: list(key, 32) });
export const REVOCATIONS_MAX = 1152;
/** Intermediates of before that a directory still names. */
export const EARLIER_MAX = 4;

/** Client credential, signed by the AS intermediate (`credential`). `domain`: the onion service's public key. */
export const credential = struct({
  version: u8,
  userId: id,
  clientId: id,
  name: bytes(NAME_MAX),
  domain: key,
  clientKey: key,
  issuer: key,
  notBefore: u32,
  notAfter: u32,
});

/** Clients a user may have. */
export const MAX_CLIENTS = 10;

/**
 * All clients of a user, by their keys, and the key that undoes everything: number 1 is signed by its one client, a later
 * one by `signer`, a client of the list before or, after a loss, that list's recovery key (`clientList`). `previous`: the
 * digest of the document before (label `clientListDigest`), zeros in the first.
 */
export const clientList = struct({
  version: u8,
  domain: key,
  userId: id,
  number: u32,
  previous: key,
  recoveryKey: key,
  clients: list(key, MAX_CLIENTS),
  signer: key,
});
export const CLIENT_LIST_MAX = 640;

/** What stands for an alias in place of a client credential, signed by the AS intermediate (`aliasCredential`). */
export const aliasCredential = struct({
  version: u8,
  aliasId: id,
  name: bytes(NAME_MAX),
  domain: key,
  aliasKey: key,
  issuer: key,
  notBefore: u32,
  notAfter: u32,
});

/** A profile is sealed by its owner's client and has one of these lengths. */
export const PROFILE_LENGTHS: readonly number[] = [1024, 8192, 28672];
export const PROFILE_MAX = 28672;

/** A sealing key for connection offers, signed by the client's credential key (`connectionPackage`). */
export const connectionPackage = struct({ version: u8, sealKey: key, notAfter: u32, lastResort: u8 });

/** What a contact needs to claim and open somebody's KeyPackages, and to find and open the profile. */
export const friendship = struct({ domain: key, friendshipToken: key, keyPackageKey: key, profileKey: key });

/** The longest body that has room in an offer beside the longest credential and client list. */
export const OFFER_BODY_MAX = 1640;
/**
 * Inside the HPKE seal of a connection offer; signed by the sender's credential key (`offer`) over package key || offer.
 * `clientList`: the sender's newest, or nothing.
 */
export const offer = struct({
  version: u8,
  kind: u8,
  credential: bytes(CREDENTIAL_MAX),
  clientList: bytes(CLIENT_LIST_MAX),
  body: bytes(OFFER_BODY_MAX),
});
export const offerKinds = { request: 1, refusal: 2, device: 3 } as const;
/** The body of a request. `replyKey`: what a refusal is sealed to. A refusal's body is empty. */
export const connectionRequest = struct({ friendship, replyKey: key });
/** The body of what one client of a user leaves for the others. */
export const deviceNote = struct({ kind: u8, body: bytes(OFFER_BODY_MAX) });
export const deviceNoteKinds = { tokens: 1, contact: 2, friendship: 3, profile: 4 } as const;
/** A contact as one client of a user tells another of it. */
export const contactNote = struct({
  credential: bytes(CREDENTIAL_MAX),
  clientList: bytes(CLIENT_LIST_MAX),
  friendship,
  verified: u8,
});

/** How somebody who was asked says yes, to that member alone. `aliasLink`: as whom one was asked, where it was an alias. */
export const acceptance = struct({ friendship, aliasLink: bytes(96) });

/**
 * Ties a leaf to a client credential; signed by the credential key (`leafLink`). Travels encrypted to members only.
 * `clientList`: the user's newest, or nothing where that is number 1.
 */
export const introduction = struct({
  version: u8,
  credential: bytes(CREDENTIAL_MAX),
  clientList: bytes(CLIENT_LIST_MAX),
  pseudonym: id,
  leafKey: key,
});
export const INTRODUCTION_MAX = CREDENTIAL_MAX + CLIENT_LIST_MAX + 256;

/** A published KeyPackage: the last day since 1970-01-01 on which it may be handed out, and the sealed bundle below. */
export const publishedKeyPackage = struct({ notAfter: u32, sealed: bytes(SEALED_KEY_PACKAGE_MAX) });

/** What is sealed under the friendship's KeyPackage key and published at the queuing service. */
export const keyPackageBundle = struct({ keyPackage: bytes(KEY_PACKAGE_MAX), introduction: bytes(INTRODUCTION_MAX) });

/** The longest message that goes to a member: a commit or a Welcome, or what is left of a large request for it. */
export const MESSAGE_MAX = 524_288;
/** What goes to a member's queue, before the ratchet seals it. What is longer than ITEM_MAX travels in parts. */
export const queueItem = struct({ kind: u8, message: bytes(MESSAGE_MAX) });
export const itemKinds = { commit: 1, application: 2, welcome: 3, proposal: 4, reset: 5, part: 6 } as const;
/** The message of a part: the parts' bytes, one behind the other, are the queueItem that was cut. */
export const ITEM_PART_MAX = ITEM_MAX - 11;
export const itemPart = struct({ index: u8, count: u8, bytes: bytes(ITEM_PART_MAX) });
/** The message of a reset: the epoch in which the group is again. */
export const resetNotice = struct({ groupId: id, epoch: u48 });

export const GROUP_INFO_MAX = 16_384;
/** A proposal that waits for the next commit, as PublicMessage. */
export const PROPOSAL_MAX = 1024;
const TREE_MAX = 1 << 20;
/** What an external commit is made from: GroupInfo without tree, ratchet tree, the proposals that wait. */
export const joinInfo = struct({
  groupInfo: bytes(GROUP_INFO_MAX),
  tree: bytes(TREE_MAX),
  proposals: list(bytes(PROPOSAL_MAX), 1000),
});

/**
 * The plaintext of an MLS application message. `authenticator`: the beginning of the sender's epoch authenticator (RFC
 * 9420 section 8.7), by which members see that they are of one mind.
 */
export const AUTHENTICATOR_LENGTH = 16;
export const groupMessage = struct({ kind: u8, authenticator: fixed(AUTHENTICATOR_LENGTH), body: bytes(3072) });
export const groupMessageKinds = {
  text: 1,
  introductions: 2,
  friendship: 3,
  presence: 4,
  read: 5,
  whoAreYou: 6,
} as const;
export const introductions = list(bytes(INTRODUCTION_MAX), 100);

/** Everything a client must know of a server before it asks; signed by `directoryKey` (`directory`), same for everybody. */
export const directory = struct({
  version: u8,
  domain: key,
  directoryKey: key,
  rootKey: key,
  /** Signs the delivery service's own proposals: the external sender of every group (RFC 9420 section 12.1.8.1). */
  deliveryKey: key,
  intermediate: bytes(256),
  /** Those before: what they signed stays good while they are valid and not revoked. */
  earlier: list(bytes(256), EARLIER_MAX),
  /** Empty before the first. */
  revocations: bytes(REVOCATIONS_MAX),
  /** A public key says its token type by its length: 32 bytes of 0x0005, 342 of 0x0002. */
  issuers: list(struct({ class: u8, epoch: u32, publicKey: bytes(342), notBefore: u32, notAfter: u32 }), 32),
  envelopeKeys: list(struct({ publicKey: key, notAfter: u48 }), 4),
  /** 0: invitations of the operator only; 1: accounts invite; 2: and whoever has done the work below. */
  registration: u8,
  /** Leading zero bits, and the seed of the day. */
  effort: u8,
  workSeed: key,
  issuedAt: u48,
});
export const DIRECTORY_MAX = 16384;

const SIGNATURE_LENGTH = 64;
/** Body and signature of a signed document, as views. Fault `wire/malformed` when it is too short. */
export function splitSigned(document: Uint8Array): { body: Uint8Array; signature: Uint8Array } {
  if (document.length <= SIGNATURE_LENGTH) throw new Fault("wire/malformed");
  const at = document.length - SIGNATURE_LENGTH;
  return { body: document.subarray(0, at), signature: document.subarray(at) };
}

// User names: 3 to 32 of a-z, 0-9, '.', '_', '-', beginning with a letter; no two separators together, none at the end.
// ASCII only and lower case only: a name has one form, there is nothing to normalize.
const isSeparator = (b: number | undefined): boolean => b === 0x2e || b === 0x5f || b === 0x2d;

/** True when `name` (its bytes) is a user name. */
export function isUserName(name: Uint8Array): boolean {
  if (name.length < 3 || name.length > NAME_MAX || isSeparator(name.at(-1))) return false;
  return name.every((b, i) => {
    const letter = b >= 0x61 && b <= 0x7a;
    const digit = b >= 0x30 && b <= 0x39;
    return letter || (i > 0 && (digit || (isSeparator(b) && !isSeparator(name[i - 1]))));
  });
}

// What looks like something else, written out as the longer of the two (as UTS #39 section 4 does), so that the order in
// which it is done does not matter.
const lookalikes: ReadonlyMap<number, string> = new Map([
  [0x30, "o"], // 0
  [0x31, "l"], // 1
  [0x6d, "rn"], // m
  [0x77, "vv"], // w
  [0x64, "cl"], // d
  [0x2e, "-"], // .
  [0x5f, "-"], // _
]);
export const SKELETON_MAX = 2 * NAME_MAX;

/** The skeleton of a name, written into `out` (SKELETON_MAX bytes), as a view: two names with one skeleton look alike. */
export function skeletonOf(name: Uint8Array, out: Buffer): Buffer {
  let end = 0;
  for (const b of name) {
    const longer = lookalikes.get(b);
    if (longer === undefined) out[end++] = b;
    else end += out.write(longer, end, "latin1");
  }
  return out.subarray(0, end);
}
