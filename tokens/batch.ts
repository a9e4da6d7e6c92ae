// The amortized batch on the wire (draft-ietf-privacypass-batched-tokens section 6): lists behind QUIC's variable-length
// integers (RFC 9000 section 16), here accepted in their shortest form only and without trailing bytes.
import { ELEMENT_LENGTH, PROOF_LENGTH } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { TOKEN_TYPE } from "./token.ts";

const HEAD_LENGTH = 3;
/** The longest list here is 100 elements, 3,200 bytes; two bytes of length reach to 16,383. */
const ONE_BYTE = 64;
const TWO_BYTES = 16384;

const lengthOfVarint = (value: number): number => (value < ONE_BYTE ? 1 : 2);

function writeVarint(out: Uint8Array, offset: number, value: number): number {
  if (value >= TWO_BYTES) throw new Fault("token/batch");
  if (value < ONE_BYTE) {
    out[offset] = value;
    return offset + 1;
  }
  out[offset] = 0x40 | (value >> 8);
  out[offset + 1] = value & 0xff;
  return offset + 2;
}

// The list of elements at `offset` that leaves exactly `after` bytes behind it, as a view.
function readElements(bytes: Uint8Array, offset: number, after: number): Uint8Array {
  const first = bytes[offset] ?? 0xff;
  const wide = first >> 6 === 1;
  const length = wide ? ((first & 0x3f) << 8) | (bytes[offset + 1] ?? 0) : first;
  const from = offset + (wide ? 2 : 1);
  const minimal = wide ? length >= ONE_BYTE : first < ONE_BYTE;
  if (!minimal || length === 0 || length % ELEMENT_LENGTH !== 0 || bytes.length !== from + length + after)
    throw new Fault("token/batch");
  return bytes.subarray(from, from + length);
}

/** Bytes of a request for `count` tokens. */
export const requestLength = (count: number): number =>
  HEAD_LENGTH + lengthOfVarint(count * ELEMENT_LENGTH) + count * ELEMENT_LENGTH;

/** Bytes of the response with `count` evaluated elements. */
export const responseLength = (count: number): number =>
  lengthOfVarint(count * ELEMENT_LENGTH) + count * ELEMENT_LENGTH + PROOF_LENGTH;

/** Writes a request's front into `out` (requestLength bytes) and returns the view where its elements go. */
export function layRequest(out: Uint8Array, truncatedKeyId: number, count: number): Uint8Array {
  out[0] = TOKEN_TYPE >> 8;
  out[1] = TOKEN_TYPE & 0xff;
  out[2] = truncatedKeyId;
  return out.subarray(writeVarint(out, HEAD_LENGTH, count * ELEMENT_LENGTH));
}

/** Views of a request. Fault `token/batch` on anything but exactly one of type 0x0005 with at least one element. */
export function parseRequest(bytes: Uint8Array): { readonly truncatedKeyId: number; readonly blinded: Uint8Array } {
  if (bytes.length < HEAD_LENGTH || bytes[0] !== TOKEN_TYPE >> 8 || bytes[1] !== (TOKEN_TYPE & 0xff))
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
