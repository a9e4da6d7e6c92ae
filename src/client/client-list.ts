// Client lists: which keys speak for a user, each list signed by one of the list before. Made here, and verified.
import { derive } from "../crypto/derive.ts";
import { SIGNATURE_LENGTH, verify } from "../crypto/sign.ts";
import { equal } from "../memory/locked.ts";
import { decode, encode, type ValueOf } from "../wire/codec.ts";
import { clientList, DOCUMENT_VERSION, splitSigned } from "../wire/documents.ts";
import { ClientError } from "./errors.ts";

export type NewClientList = Omit<ValueOf<typeof clientList>, "version" | "previous"> & {
  /** The document before; nothing for the first. */
  readonly previous: Uint8Array | undefined;
};

/** Signs for the purpose `clientList` with the key that the list names as its signer. */
export type ListSigner = (out: Uint8Array, purpose: "clientList", ...parts: Uint8Array[]) => void;

/** A list that is signed by the key it names. Whether that key may is what `signerWithin` says. */
export type ClientList = ValueOf<typeof clientList> & { readonly digest: Uint8Array; readonly document: Uint8Array };

const digestOf = (document: Uint8Array): Buffer => derive(Buffer.alloc(32), "clientListDigest", undefined, document);

/** The user's id for ever, 16 bytes: of the first client's key and the first recovery key (32 bytes each). */
export const userIdOf = (domain: Uint8Array, firstClient: Uint8Array, firstRecovery: Uint8Array): Buffer =>
  derive(Buffer.alloc(16), "userId", undefined, domain, firstClient, firstRecovery);

/** The id of one of a user's clients, 16 bytes. */
export const clientIdOf = (userId: Uint8Array, clientKey: Uint8Array): Buffer =>
  derive(Buffer.alloc(16), "clientId", undefined, userId, clientKey);

/** The signed document. */
export function makeClientList({ previous, ...list }: NewClientList, signer: ListSigner): Buffer {
  const digest = previous ? digestOf(previous) : Buffer.alloc(32);
  const body = encode(clientList, { version: DOCUMENT_VERSION, previous: digest, ...list }, Buffer.alloc);
  const document = Buffer.alloc(body.length + SIGNATURE_LENGTH);
  document.set(body);
  signer(document.subarray(body.length), "clientList", body);
  return document;
}

const isAmong = (key: Uint8Array, keys: readonly Uint8Array[]): boolean => keys.some((one) => equal(one, key));

/** The list in `document`, a copy. ClientError `contact/unverified`: not this user's, or not signed as it says. */
export function readClientList(document: Uint8Array, of: { domain: Uint8Array; userId: Uint8Array }): ClientList {
  try {
    const own = Buffer.from(document);
    const { body, signature } = splitSigned(own);
    const found = decode(clientList, body);
    const { clients, number, recoveryKey, signer } = found;
    const good =
      found.version === DOCUMENT_VERSION &&
      equal(found.domain, of.domain) &&
      equal(found.userId, of.userId) &&
      clients.length > 0 &&
      clients.every((one, i) => !isAmong(one, clients.slice(0, i)) && !equal(one, recoveryKey)) &&
      verify(signature, "clientList", signer, body) &&
      // the first speaks for itself, and its keys are what the user's id is made of
      (number !== 1 || (clients.length === 1 && equal(of.userId, userIdOf(of.domain, signer, recoveryKey))));
    if (good) return { ...found, digest: digestOf(own), document: own };
  } catch {
    // not of the form
  }
  throw new ClientError("contact/unverified");
}

/** A list that was verified before, out of the client's own state. */
export function knownClientList(document: Uint8Array): ClientList {
  const own = Buffer.from(document);
  return { ...decode(clientList, splitSigned(own).body), digest: digestOf(own), document: own };
}

/**
 * Who of the known list signed `next`, which comes after it: one of its clients, or its recovery key after a loss.
 * Undefined when nobody did: then it counts only together with the lists in between.
 */
export function signerWithin(next: ClientList, known: ClientList): "client" | "recovery" | undefined {
  if (next.number <= known.number || !equal(next.userId, known.userId)) return undefined;
  if (next.number === known.number + 1 && !equal(next.previous, known.digest)) return undefined;
  if (equal(next.signer, known.recoveryKey)) return "recovery";
  // only the recovery key itself says which comes after it
  return isAmong(next.signer, known.clients) && equal(next.recoveryKey, known.recoveryKey) ? "client" : undefined;
}
