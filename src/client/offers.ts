// Connection offers: what one sends to somebody found by name, sealed to a key that only that person's client holds.
import {
  CONTEXT_LENGTH,
  ENC_LENGTH,
  openWith,
  sealWith,
  setupSender,
  TAG_LENGTH,
  type ReceiverKey,
} from "../crypto/hpke.ts";
import { verify } from "../crypto/sign.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { decode, encode, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { pad, unpad } from "../wire/frame.ts";
import { signDocument, verifyCredential, type CredentialSigner, type Identity } from "./credentials.ts";
import type { ServerDirectory } from "./directory.ts";
import { keepLocked } from "./keep.ts";

export type Friendship = ValueOf<typeof documents.friendship>;

/** An offer that opened and verified, of the kinds of `offerKinds`. */
export interface Offer {
  readonly kind: number;
  readonly from: Identity;
  /** The sender's client list as it sent it, or nothing. */
  readonly clientList: Uint8Array;
  /** In locked memory of its own. */
  readonly body: Uint8Array;
}

/** What is put into an offer. */
export interface OfferContent {
  readonly kind: keyof typeof documents.offerKinds;
  readonly clientList: Uint8Array;
  readonly body: Uint8Array;
}

const PADDED_LENGTH = documents.OFFER_LENGTH - ENC_LENGTH - TAG_LENGTH;

/** enc(32) || HPKE(u32 length || offer || signature || zeros), OFFER_LENGTH in all. The signature covers the package's key too: an offer is for one receiver. */
export function sealOffer(
  own: Identity,
  { kind, clientList, body: content }: OfferContent,
  signer: CredentialSigner,
  sealKey: Uint8Array,
): Buffer {
  const value = {
    version: documents.DOCUMENT_VERSION,
    kind: documents.offerKinds[kind],
    credential: own.document,
    clientList,
    body: content,
  };
  const body = encode(documents.offer, value, lockedAlloc);
  const document = signDocument(body, "offer", signer, sealKey);
  const [context, padded] = [lockedAlloc(CONTEXT_LENGTH), lockedAlloc(PADDED_LENGTH)];
  try {
    pad(padded, document);
    const out = Buffer.alloc(documents.OFFER_LENGTH);
    setupSender(context, out.subarray(0, ENC_LENGTH), "connectionOffer", sealKey);
    sealWith(context, 0, out.subarray(ENC_LENGTH), padded);
    return out;
  } finally {
    wipe(context, body, document, padded);
  }
}

/** The offer in `sealed`, or undefined: not for this key, or not what its sender claims to be. Never throws. */
export function openOffer(
  sealed: Uint8Array,
  key: ReceiverKey,
  server: ServerDirectory,
  now: number,
): Offer | undefined {
  if (sealed.length !== documents.OFFER_LENGTH) return undefined;
  const [context, padded] = [lockedAlloc(CONTEXT_LENGTH), lockedAlloc(PADDED_LENGTH)];
  try {
    key.setup(context, sealed.subarray(0, ENC_LENGTH));
    openWith(context, 0, padded, sealed.subarray(ENC_LENGTH));
    const { body, signature } = documents.splitSigned(unpad(padded));
    const found = decode(documents.offer, body);
    const from = verifyCredential(found.credential, server, now);
    if (found.version !== documents.DOCUMENT_VERSION) return undefined;
    if (!verify(signature, "offer", from.clientKey, key.publicKey, body)) return undefined;
    const { kind } = found;
    return { kind, from, clientList: Buffer.from(found.clientList), body: keepLocked(found.body) };
  } catch {
    return undefined;
  } finally {
    wipe(context, padded);
  }
}

/** A copy that outlives the message it came in, in locked memory. */
export function keepFriendship(from: Friendship): Friendship {
  const size = documents.friendship.size(from);
  const kept = lockedAlloc(size);
  documents.friendship.write(from, kept, 0);
  return decode(documents.friendship, kept);
}
