// The amortized batch on the wire (draft-ietf-privacypass-batched-tokens, amortized issuance): many elements, one proof.
import { ELEMENT_LENGTH, PROOF_LENGTH } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { VOPRF } from "./types.ts";
import { lengthOfVarint, readList, writeVarint } from "./varint.ts";

const HEAD_LENGTH = 3;

function readElements(bytes: Uint8Array, offset: number, after: number): Uint8Array {
  const elements = readList(bytes, offset, after);
  if (elements.length % ELEMENT_LENGTH !== 0) throw new Fault("token/batch");
  return elements;
}

/** Bytes of a request for `count` tokens. */
export const requestLength = (count: number): number =>
  HEAD_LENGTH + lengthOfVarint(count * ELEMENT_LENGTH) + count * ELEMENT_LENGTH;

/** Bytes of the response with `count` evaluated elements. */
export const responseLength = (count: number): number =>
  lengthOfVarint(count * ELEMENT_LENGTH) + count * ELEMENT_LENGTH + PROOF_LENGTH;

/** Writes a request's front into `out` (requestLength bytes) and returns the view where its elements go. */
export function layRequest(out: Uint8Array, truncatedKeyId: number, count: number): Uint8Array {
  out[0] = VOPRF >> 8;
  out[1] = VOPRF & 0xff;
  out[2] = truncatedKeyId;
  return out.subarray(writeVarint(out, HEAD_LENGTH, count * ELEMENT_LENGTH));
}

/** Views of a request. Fault `token/batch` on anything but exactly one of type 0x0005 with at least one element. */
export function parseRequest(bytes: Uint8Array): { readonly truncatedKeyId: number; readonly blinded: Uint8Array } {
  if (bytes.length < HEAD_LENGTH || bytes[0] !== VOPRF >> 8 || bytes[1] !== (VOPRF & 0xff))
    throw new Fault("token/batch");
  return { truncatedKeyId: bytes[2]!, blinded: readElements(bytes, HEAD_LENGTH, 0) };
}

/** Writes a response's front into `out` (responseLength bytes); the view behind it takes elements || proof. */
export const layResponse = (out: Uint8Array, count: number): Uint8Array =>
  out.subarray(writeVarint(out, 0, count * ELEMENT_LENGTH));

/** Views of a response. Fault `token/batch` on anything but exactly one. */
export function parseResponse(bytes: Uint8Array): { readonly evaluated: Uint8Array; readonly proof: Uint8Array } {
  return { evaluated: readElements(bytes, 0, PROOF_LENGTH), proof: bytes.subarray(bytes.length - PROOF_LENGTH) };
}
