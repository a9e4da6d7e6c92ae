// What a client may send to the issuer, in any of its forms. They are told apart by their first byte and their length:
// a token type begins with 0, the length of a generic batch with at least 0x41.
import { ELEMENT_LENGTH, PROOF_LENGTH } from "../src/crypto/voprf.ts";
import { MODULUS_LENGTH } from "../src/crypto/rsa-spki.ts";
import { Fault } from "../src/fault.ts";
import { layResponse, parseRequest, responseLength } from "./batch.ts";
import { entryOf, genericLength, layGenericResponse, parseGenericRequest } from "./generic-batch.ts";
import { BLIND_RSA, VOPRF } from "./types.ts";

/**
 * `single`: one token of either type (RFC 9578 sections 5.1 and 6.1); `amortized`: type 0x0005 with one proof for all;
 * `generic`: type 0x0002, each token on its own (both in draft-ietf-privacypass-batched-tokens).
 */
export type RequestForm = "single" | "amortized" | "generic";

/** Content types over plain HTTP. */
export const mediaTypes: Readonly<Record<RequestForm, { readonly request: string; readonly response: string }>> = {
  single: { request: "application/private-token-request", response: "application/private-token-response" },
  amortized: {
    request: "application/private-token-amortized-batch-request",
    response: "application/private-token-amortized-batch-response",
  },
  generic: {
    request: "application/private-token-generic-batch-request",
    response: "application/private-token-generic-batch-response",
  },
};

interface Common {
  readonly form: RequestForm;
  readonly truncatedKeyId: number;
  /** Tokens asked for. */
  readonly count: number;
  readonly responseLength: number;
}

/** Views of a request for tokens of type 0x0005. */
export interface VoprfRequest extends Common {
  readonly type: typeof VOPRF;
  /** `count` elements, not yet checked. */
  readonly blinded: Uint8Array;
  /** Writes a response's front into `out`; the view behind it takes elements || proof. */
  lay(out: Uint8Array): Uint8Array;
}

/** Views of a request for tokens of type 0x0002. */
export interface RsaRequest extends Common {
  readonly type: typeof BLIND_RSA;
  /** The blinded message of token `i`: 256 bytes, not yet checked. */
  blinded(i: number): Uint8Array;
  /** Writes a response's fixed parts into `out`; gives the 256 bytes where the signature of token `i` goes. */
  lay(out: Uint8Array): (i: number) => Uint8Array;
}

export type TokenRequest = VoprfRequest | RsaRequest;

const HEAD_LENGTH = 3;

function readVoprf(bytes: Uint8Array): VoprfRequest {
  if (bytes.length === HEAD_LENGTH + ELEMENT_LENGTH) {
    const blinded = bytes.subarray(HEAD_LENGTH);
    const common = { form: "single", truncatedKeyId: bytes[2]!, count: 1 } as const;
    return { ...common, type: VOPRF, blinded, responseLength: ELEMENT_LENGTH + PROOF_LENGTH, lay: (out) => out };
  }
  const { truncatedKeyId, blinded } = parseRequest(bytes);
  const count = blinded.length / ELEMENT_LENGTH;
  return {
    form: "amortized",
    type: VOPRF,
    truncatedKeyId,
    count,
    blinded,
    responseLength: responseLength(count),
    lay: (out) => layResponse(out, count),
  };
}

function readSingleRsa(bytes: Uint8Array): RsaRequest {
  if (bytes.length !== HEAD_LENGTH + MODULUS_LENGTH) throw new Fault("token/batch");
  return {
    form: "single",
    type: BLIND_RSA,
    truncatedKeyId: bytes[2]!,
    count: 1,
    responseLength: MODULUS_LENGTH,
    blinded: () => bytes.subarray(HEAD_LENGTH),
    lay: (out) => () => out,
  };
}

function readGeneric(bytes: Uint8Array): RsaRequest {
  const { truncatedKeyId, count, list } = parseGenericRequest(bytes);
  return {
    form: "generic",
    type: BLIND_RSA,
    truncatedKeyId,
    count,
    responseLength: genericLength(count),
    blinded: (i) => entryOf(list, i),
    lay(out) {
      const signatures = layGenericResponse(out, count);
      return (i) => entryOf(signatures, i);
    },
  };
}

/** Fault `token/batch` on anything but exactly one request of one of the forms, for at least one token. */
export function readRequest(bytes: Uint8Array): TokenRequest {
  if (bytes[0] !== 0) return readGeneric(bytes);
  if (bytes[1] === BLIND_RSA) return readSingleRsa(bytes);
  if (bytes[1] === VOPRF) return readVoprf(bytes);
  throw new Fault("token/batch");
}
