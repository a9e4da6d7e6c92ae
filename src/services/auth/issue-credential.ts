// Signs what stands for a client, or for an alias, with the AS intermediate.
import { SIGNATURE_LENGTH } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import type { Codec, ValueOf } from "../../wire/codec.ts";
import { aliasCredential, credential, DOCUMENT_VERSION } from "../../wire/documents.ts";
import type { AuthSigner, Call } from "../ports.ts";
import { dayOf, type Client } from "./records.ts";

/** Days for which a client credential is good, the day of signing not counted. */
export const CREDENTIAL_DAYS = 90;

/** What every handler that signs is given. */
export interface Authority {
  /** The onion service's public key, 32 bytes. */
  readonly domain: Uint8Array;
  readonly signer: AuthSigner;
}

type Purpose = Parameters<AuthSigner["sign"]>[2];

function signed<T>(call: Call, { signer }: Authority, codec: Codec<T>, body: NoInfer<T>, purpose: Purpose): Buffer {
  const size = codec.size(body);
  const document = call.arena.take(size + SIGNATURE_LENGTH);
  codec.write(body, document, 0);
  signer.sign(document.subarray(size), document.subarray(0, size), purpose);
  return document;
}

/** The same bytes for the same client, name and `issued`, as long as the intermediate is the same. */
export function issueCredential(
  call: Call,
  authority: Authority,
  user: { readonly userId: Uint8Array; readonly name: Uint8Array },
  { clientId, clientKey, issued }: Client,
): { readonly credential: Buffer; readonly notAfter: number } {
  const { domain, signer } = authority;
  const notAfter = issued + CREDENTIAL_DAYS;
  const validity = { issuer: signer.publicKey, notBefore: issued, notAfter };
  const body = { version: DOCUMENT_VERSION, ...user, clientId, domain, clientKey, ...validity };
  return { credential: signed(call, authority, credential, body, "credential"), notAfter };
}

/** The credential of a client that may still show one. Fault `account/expired`: renew it first. */
export function currentCredential(
  call: Call,
  authority: Authority,
  user: { readonly userId: Uint8Array; readonly name: Uint8Array },
  client: Client,
): { readonly credential: Buffer; readonly notAfter: number } {
  if (client.issued + CREDENTIAL_DAYS < dayOf(call.now)) throw new Fault("account/expired");
  return issueCredential(call, authority, user, client);
}

export const issueAliasCredential = (
  call: Call,
  authority: Authority,
  alias: Pick<ValueOf<typeof aliasCredential>, "aliasId" | "name" | "aliasKey" | "notBefore" | "notAfter">,
): Buffer => {
  const { domain, signer } = authority;
  const body = { version: DOCUMENT_VERSION, ...alias, domain, issuer: signer.publicKey };
  return signed(call, authority, aliasCredential, body, "aliasCredential");
};
