// Strict bytes at the door: what is decoded must encode to the very same bytes, and no encoding survives its use.
import type { Decoder } from "ts-mls";
import type { BufferEncoder } from "ts-mls/codec/tlsEncoder.js";
import { Fault } from "../fault.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";

// A stack of scratch in locked memory: uses nest (a hash inside an encoding) and are synchronous. What does not fit
// (a whole tree) goes to memory of its own, wiped alike.
const scratch = lockedAlloc(64 << 10);
let used = 0;

/** Runs `work` on `length` scratch bytes that are wiped before this returns. */
export function withScratch<T>(length: number, work: (bytes: Buffer) => T): T {
  const start = used;
  const fits = start + length <= scratch.length;
  const bytes = fits ? scratch.subarray(start, start + length) : Buffer.allocUnsafeSlow(length);
  if (fits) used = start + length;
  try {
    return work(bytes);
  } finally {
    wipe(bytes);
    used = start;
  }
}

/** Runs `work` on the encoding of `value`, which is wiped before this returns. */
export function withEncoded<T, R>(encoder: BufferEncoder<T>, value: T, work: (bytes: Buffer) => R): R {
  const [length, write] = encoder(value);
  return withScratch(length, (bytes) => {
    write(bytes.byteOffset, bytes.buffer as ArrayBuffer);
    return work(bytes);
  });
}

/** The value at the start of authentic bytes, with its length; views as in `strictDecode`. Throws Fault `group/invalid`. */
export function decodeOwnStart<T>(decode: Decoder<T>, bytes: Uint8Array): [value: T, length: number] {
  try {
    const decoded = decode(bytes, 0);
    if (decoded !== undefined) return decoded;
  } catch {
    // as in strictDecode
  }
  throw new Fault("group/invalid");
}

/** As `decodeOwnStart`, of all of `bytes`. */
export function decodeOwn<T>(decode: Decoder<T>, bytes: Uint8Array): T {
  const [value, length] = decodeOwnStart(decode, bytes);
  if (length !== bytes.length) throw new Fault("group/invalid");
  return value;
}

/**
 * The value of `bytes`, all of them. Refuses trailing bytes, lengths that are not minimal (RFC 9420 section 2.1.2) and
 * presence octets other than 0 and 1, by encoding again and comparing. Every byte string in the value is a view of
 * `bytes` (the library's decoders use subarray): keep `bytes` while the value lives, wipe `bytes` and the value is gone.
 * Throws Fault `group/invalid`, also for what makes the library throw errors of its own.
 */
export function strictDecode<T>(decode: Decoder<T>, encoder: BufferEncoder<T>, bytes: Uint8Array): T {
  try {
    const decoded = decode(bytes, 0);
    if (decoded !== undefined && decoded[1] === bytes.length) {
      const [value] = decoded;
      if (withEncoded(encoder, value, (again) => again.equals(bytes))) return value;
    }
  } catch {
    // the reason stays here: no detail of a refused message leaves this function
  }
  throw new Fault("group/invalid");
}

/** Equality of public values. The first byte is looked at before anything is called: most pairs differ there. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a[0] === b[0] && Buffer.compare(a, b) === 0;

/** Throws Fault `group/invalid` unless `ok`. */
export function valid(ok: boolean): asserts ok {
  if (!ok) throw new Fault("group/invalid");
}

/** Throws Fault `group/policy` unless `ok`. */
export function allowed(ok: boolean): asserts ok {
  if (!ok) throw new Fault("group/policy");
}

/** Throws Fault `group/limit` unless `ok`. */
export function within(ok: boolean): asserts ok {
  if (!ok) throw new Fault("group/limit");
}

/** The library's asynchronous work with its errors, which may name data, turned into Fault `group/invalid`. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Fault && error.code.startsWith("group/") ? error : new Fault("group/invalid");
  }
}
