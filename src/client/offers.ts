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
import { signDocument, verifyCredential, type CredentialSigner, type Identity } from "./credentials.ts";
import type { ServerDirectory } from "./directory.ts";

export type Friendship = ValueOf<typeof documents.friendship>;

/** An offer that opened and verified. */
export interface Offer {
  readonly from: Identity;
  readonly friendship: Friendship;
}

/** enc(32) || HPKE(offer || signature). The signature covers the package's key too: an offer is for one receiver. */
export function sealOffer(
  own: Identity,
  friendship: Friendship,
  signer: CredentialSigner,
  sealKey: Uint8Array,
): Buffer {
  const value = { version: documents.DOCUMENT_VERSION, credential: own.document, friendship };
  const body = encode(documents.offer, value, lockedAlloc);
  const document = signDocument(body, "offer", signer, sealKey);
  const context = lockedAlloc(CONTEXT_LENGTH);
  try {
    const out = Buffer.alloc(ENC_LENGTH + document.length + TAG_LENGTH);
    setupSender(context, out.subarray(0, ENC_LENGTH), "connectionOffer", sealKey);
    sealWith(context, 0, out.subarray(ENC_LENGTH), document);
    return out;
  } finally {
    wipe(context, body, document);
  }
}

/** The offer in `sealed`, or undefined: not for this key, or not what its sender claims to be. Never throws. */
export function openOffer(
  sealed: Uint8Array,
  key: ReceiverKey,
  server: ServerDirectory,
  now: number,
): Offer | undefined {
  if (sealed.length <= ENC_LENGTH + TAG_LENGTH) return undefined;
  const context = lockedAlloc(CONTEXT_LENGTH);
  const document = lockedAlloc(sealed.length - ENC_LENGTH - TAG_LENGTH);
  try {
    key.setup(context, sealed.subarray(0, ENC_LENGTH));
    openWith(context, 0, document, sealed.subarray(ENC_LENGTH));
    const { body, signature } = documents.splitSigned(document);
    const found = decode(documents.offer, body);
    const from = verifyCredential(found.credential, server, now);
    if (found.version !== documents.DOCUMENT_VERSION) return undefined;
    if (!verify(signature, "offer", from.clientKey, key.publicKey, body)) return undefined;
    return { from, friendship: keepFriendship(found.friendship) };
  } catch {
    return undefined;
  } finally {
    wipe(context, document);
  }
}

/** A copy that outlives the message it came in, in locked memory. */
export function keepFriendship(from: Friendship): Friendship {
  const size = documents.friendship.size(from);
  const kept = lockedAlloc(size);
  documents.friendship.write(from, kept, 0);
  return decode(documents.friendship, kept);
}
