// The server directory: one signed document with every key a client needs, the same bytes for everybody.
import { sign, SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { encode } from "../wire/codec.ts";
import { directory, DOCUMENT_VERSION } from "../wire/documents.ts";
import type { Identity } from "./identity.ts";

export interface PublishedKeys {
  readonly issuers: readonly {
    readonly class: number;
    readonly epoch: number;
    readonly publicKey: Uint8Array;
    readonly notBefore: number;
    readonly notAfter: number;
  }[];
  /** Current first; `notAfter` in unix seconds. */
  readonly envelopeKeys: readonly { readonly publicKey: Uint8Array; readonly notAfter: number }[];
  /** How one registers (policy.ts), and the terms of work where that is taken: leading zero bits, the day's seed (32). */
  readonly registration: number;
  readonly effort: number;
  readonly workSeed: Uint8Array;
}

/** The signed directory. Public: ordinary memory. */
export function buildDirectory(identity: Identity, keys: PublishedKeys, now: number): Buffer {
  const value = {
    version: DOCUMENT_VERSION,
    domain: identity.domain,
    directoryKey: identity.directory.publicKey,
    rootKey: identity.rootKey,
    deliveryKey: identity.delivery.publicKey,
    intermediate: identity.intermediate.document,
    earlier: identity.earlier,
    revocations: identity.revocations,
    ...keys,
    issuedAt: now,
  };
  const body = encode(directory, value, Buffer.alloc);
  const signature = Buffer.alloc(SIGNATURE_LENGTH);
  identity.directory.secret.use((secret) => sign(signature, "directory", secret, body));
  return Buffer.concat([body, signature]);
}
