// Who somebody is: client credentials, and what their keys sign. Contacts verify the chain; the server cannot vouch alone.
import { verify, type SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { equal } from "../memory/locked.ts";
import { decode, encode } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { isValidOn, type ServerDirectory } from "./directory.ts";
import { ClientError } from "./errors.ts";

const DAY = 86400;

/** A verified client credential. */
export interface Identity {
  readonly name: string;
  readonly userId: Uint8Array;
  readonly clientId: Uint8Array;
  /** Ed25519, 32 bytes. */
  readonly clientKey: Uint8Array;
  /** The credential as it was signed, for passing on. */
  readonly document: Uint8Array;
}

type Keyed = Pick<Identity, "userId" | "clientKey">;

/** The same user with the same key, whatever the name: that may change. The house signs what it likes. */
export const isSameClient = (a: Keyed, b: Keyed): boolean =>
  equal(a.userId, b.userId) && equal(a.clientKey, b.clientKey);

/** Signs for one purpose with the client's credential key; the key stays with the account. */
export type CredentialSigner = (
  out: Uint8Array,
  purpose: "aliasLink" | "clientList" | "connectionPackage" | "credentialRequest" | "leafLink" | "offer" | "request",
  ...parts: Uint8Array[]
) => void;

const SIGNATURE: typeof SIGNATURE_LENGTH = 64;
const refuse = (): never => {
  throw new ClientError("contact/unverified");
};
const plain = (size: number): Buffer => Buffer.alloc(size);

/** body || signature of `body` by the client's credential key. */
export function signDocument(
  body: Uint8Array,
  purpose: "connectionPackage" | "leafLink" | "offer",
  signer: CredentialSigner,
  ...before: Uint8Array[]
): Buffer {
  const document = Buffer.alloc(body.length + SIGNATURE);
  document.set(body);
  signer(document.subarray(body.length), purpose, ...before, body);
  return document;
}

/** Runs `check`; whatever it throws becomes ClientError `contact/unverified`. */
function verified<T>(check: () => T): T {
  try {
    return check();
  } catch {
    return refuse();
  }
}

/** The identity of a credential that was verified before, out of the client's own state. */
export function readCredential(document: Uint8Array): Identity {
  const own = Buffer.from(document);
  const found = decode(documents.credential, documents.splitSigned(own).body);
  const { userId, clientId, clientKey } = found;
  return { name: Buffer.from(found.name).toString("latin1"), userId, clientId, clientKey, document: own };
}

/**
 * The identity in a client credential: signed by an intermediate of the server, for this server, in its validity. With
 * `name`, that name's. ClientError `contact/unverified`.
 */
export const verifyCredential = (document: Uint8Array, server: ServerDirectory, now: number, name?: string): Identity =>
  verified(() => {
    const { body, signature } = documents.splitSigned(document);
    const found = decode(documents.credential, body);
    const issuer = server.issuerKeys.find((key) => equal(key, found.issuer));
    if (issuer === undefined || !verify(signature, "credential", issuer, body)) return refuse();
    if (found.version !== documents.DOCUMENT_VERSION || !documents.isUserName(found.name)) return refuse();
    if (!equal(found.domain, server.domain)) return refuse();
    if (!isValidOn(Math.floor(now / DAY), found)) return refuse();
    const identity = readCredential(document);
    return name === undefined || identity.name === name ? identity : refuse();
  });

/** Which leaf of which group is whose. */
export interface Introduction {
  readonly identity: Identity;
  /** The user's newest client list as its owner had it, signed with the introduction; empty where it is number 1. */
  readonly clientList: Uint8Array;
  readonly pseudonym: Uint8Array;
  readonly leafKey: Uint8Array;
  readonly document: Uint8Array;
}

/** An introduction that was verified before, out of the client's own state. */
export function readIntroduction(document: Uint8Array): Introduction {
  const own = Buffer.from(document);
  const { body } = documents.splitSigned(own);
  const { credential, clientList, pseudonym, leafKey } = decode(documents.introduction, body);
  return { identity: readCredential(credential), clientList, pseudonym, leafKey, document: own };
}

/** Ties a leaf of a group to the own credential. Travels encrypted, to members only. */
export function makeIntroduction(
  own: Identity,
  signer: CredentialSigner,
  { pseudonym, leafKey }: { readonly pseudonym: Uint8Array; readonly leafKey: Uint8Array },
  clientList: Uint8Array = Buffer.alloc(0),
): Buffer {
  const credential = own.document;
  const body = { version: documents.DOCUMENT_VERSION, credential, clientList, pseudonym, leafKey };
  return signDocument(encode(documents.introduction, body, plain), "leafLink", signer);
}

/** Anybody may pass an introduction on: it proves itself. ClientError `contact/unverified`. */
export const verifyIntroduction = (document: Uint8Array, server: ServerDirectory, now: number): Introduction =>
  verified(() => {
    const { body, signature } = documents.splitSigned(document);
    const found = decode(documents.introduction, body);
    const { clientKey } = verifyCredential(found.credential, server, now);
    if (found.version !== documents.DOCUMENT_VERSION) return refuse();
    return verify(signature, "leafLink", clientKey, body) ? readIntroduction(document) : refuse();
  });

/** The sealing key of a connection package that `owner` signed, 32 bytes. ClientError `contact/unverified`. */
export const verifyConnectionPackage = (
  document: Uint8Array,
  owner: Pick<Identity, "clientKey">,
  now: number,
): Buffer =>
  verified(() => {
    const { body, signature } = documents.splitSigned(document);
    if (!verify(signature, "connectionPackage", owner.clientKey, body)) return refuse();
    const found = decode(documents.connectionPackage, body);
    if (found.version !== documents.DOCUMENT_VERSION || Math.floor(now / DAY) > found.notAfter) return refuse();
    return Buffer.from(found.sealKey);
  });
