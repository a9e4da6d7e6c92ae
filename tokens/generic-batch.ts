// The generic batch on the wire (draft-ietf-privacypass-batched-tokens, generic issuance), for tokens of type 0x0002 only: a
// list of whole token requests, answered by a list of optional token responses.
//
// The draft allows a mixture of types and keys in one request, answered in part. Here a batch is all of one key and is
// answered whole or not at all, so that what one draws from each key is uniform and counted once.
import { MODULUS_LENGTH } from "../src/crypto/rsa-spki.ts";
import { Fault } from "../src/fault.ts";
import { BLIND_RSA } from "./types.ts";
import { lengthOfVarint, readList, writeVarint } from "./varint.ts";

const HEAD_LENGTH = 3;
/** u16 type || u8 truncated key id || blinded message; and in a response: u8 1 (present) || u16 type || signature. */
const ENTRY_LENGTH = HEAD_LENGTH + MODULUS_LENGTH;
const PRESENT = 1;

/** Bytes of a request for `count` tokens, and of its response. */
export const genericLength = (count: number): number => lengthOfVarint(count * ENTRY_LENGTH) + count * ENTRY_LENGTH;

/** The 256 bytes of entry `i` in a list: a blinded message or a signature. */
export const entryOf = (list: Uint8Array, i: number): Uint8Array =>
  list.subarray(i * ENTRY_LENGTH + HEAD_LENGTH, (i + 1) * ENTRY_LENGTH);

function lay(out: Uint8Array, count: number, head: readonly number[]): Uint8Array {
  const list = out.subarray(writeVarint(out, 0, count * ENTRY_LENGTH));
  for (let i = 0; i < count; i++) list.set(head, i * ENTRY_LENGTH);
  return list;
}

const request = (truncatedKeyId: number): number[] => [BLIND_RSA >> 8, BLIND_RSA & 0xff, truncatedKeyId];
const RESPONSE = [PRESENT, BLIND_RSA >> 8, BLIND_RSA & 0xff];

/** Writes all but the blinded messages of a request into `out` (genericLength bytes); its list, for `entryOf`. */
export const layGenericRequest = (out: Uint8Array, truncatedKeyId: number, count: number): Uint8Array =>
  lay(out, count, request(truncatedKeyId));

/** Writes all but the signatures of a response into `out` (genericLength bytes); its list, for `entryOf`. */
export const layGenericResponse = (out: Uint8Array, count: number): Uint8Array => lay(out, count, RESPONSE);

function parse(bytes: Uint8Array, headOf: (first: Uint8Array) => readonly number[]) {
  const list = readList(bytes, 0, 0);
  const count = list.length / ENTRY_LENGTH;
  if (!Number.isInteger(count)) throw new Fault("token/batch");
  const head = headOf(list);
  for (let i = 0; i < count; i++)
    if (head.some((byte, at) => list[i * ENTRY_LENGTH + at] !== byte)) throw new Fault("token/batch");
  return { count, list };
}

export interface GenericList {
  readonly count: number;
  /** A view, for `entryOf`. */
  readonly list: Uint8Array;
}

/** Fault `token/batch` on anything but exactly one request, all of type 0x0002 and of one truncated key id. */
export function parseGenericRequest(bytes: Uint8Array): GenericList & { readonly truncatedKeyId: number } {
  const parsed = parse(bytes, (first) => request(first[2]!));
  return { ...parsed, truncatedKeyId: parsed.list[2]! };
}

/** Fault `token/batch` on anything but exactly one response in which every token is present. */
export const parseGenericResponse = (bytes: Uint8Array): GenericList => parse(bytes, () => RESPONSE);
