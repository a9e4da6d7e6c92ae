// QUIC's variable-length integers (RFC 9000 section 16) as lengths of lists: in their shortest form only, up to 2^30 - 1.
import { Fault } from "../src/fault.ts";

const ONE_BYTE = 64;
const TWO_BYTES = 16384;
const FOUR_BYTES = 2 ** 30;

export const lengthOfVarint = (value: number): number => (value < ONE_BYTE ? 1 : value < TWO_BYTES ? 2 : 4);

/** Writes `value` at `offset` and returns the offset behind it. Fault `token/batch` from 2^30 on. */
export function writeVarint(out: Uint8Array, offset: number, value: number): number {
  if (value >= FOUR_BYTES) throw new Fault("token/batch");
  const length = lengthOfVarint(value);
  for (let i = 0; i < length; i++) out[offset + i] = (value >>> (8 * (length - 1 - i))) & 0xff;
  out[offset]! |= (length >> 1) << 6;
  return offset + length;
}

/**
 * The list that begins at `offset` with its length and leaves exactly `after` bytes behind it, as a view. Fault
 * `token/batch` when there is none, when it is empty, or when its length is not in the shortest form.
 */
export function readList(bytes: Uint8Array, offset: number, after: number): Uint8Array {
  const first = bytes[offset] ?? 0xff;
  const width = 1 << (first >> 6);
  let length = first & 0x3f;
  for (let i = 1; i < width; i++) length = length * 256 + (bytes[offset + i] ?? 0);
  const from = offset + width;
  if (width > 4 || length === 0 || width !== lengthOfVarint(length) || bytes.length !== from + length + after)
    throw new Fault("token/batch");
  return bytes.subarray(from, from + length);
}
