// Client lists as a client makes them: which keys speak for a user, each list signed by one of the list before.
import { derive } from "../crypto/derive.ts";
import { SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { encode, type ValueOf } from "../wire/codec.ts";
import { clientList, DOCUMENT_VERSION } from "../wire/documents.ts";

export type ClientList = Omit<ValueOf<typeof clientList>, "version" | "previous"> & {
  /** The document before; nothing for the first. */
  readonly previous: Uint8Array | undefined;
};

/** Signs for the purpose `clientList` with the key that the list names as its signer. */
export type ListSigner = (out: Uint8Array, purpose: "clientList", ...parts: Uint8Array[]) => void;

/** The user's id for ever, 16 bytes: of the first client's key and the first recovery key (32 bytes each). */
export const userIdOf = (domain: Uint8Array, firstClient: Uint8Array, firstRecovery: Uint8Array): Buffer =>
  derive(Buffer.alloc(16), "userId", undefined, domain, firstClient, firstRecovery);

/** The signed document. */
export function makeClientList({ previous, ...list }: ClientList, signer: ListSigner): Buffer {
  const digest = previous ? derive(Buffer.alloc(32), "clientListDigest", undefined, previous) : Buffer.alloc(32);
  const body = encode(clientList, { version: DOCUMENT_VERSION, previous: digest, ...list }, Buffer.alloc);
  const document = Buffer.alloc(body.length + SIGNATURE_LENGTH);
  document.set(body);
  signer(document.subarray(body.length), "clientList", body);
  return document;
}

/** The id of one of a user's clients, 16 bytes. */
export const clientIdOf = (userId: Uint8Array, clientKey: Uint8Array): Buffer =>
  derive(Buffer.alloc(16), "clientId", undefined, userId, clientKey);
