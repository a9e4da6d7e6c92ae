// The group ristretto255 (RFC 9496) and its scalars, by libsodium's constant-time code as WebAssembly.
//
// The library's convenient calls copy each argument and each result through its heap and free those copies unwiped.
// Here its exported functions work instead on one small workspace in that heap, which is zeroed after each call,
// together with the part of the module's own stack that a call can reach (found by calibration at load).
// What cannot be reached from here: WebAssembly memory is neither locked nor kept out of core dumps, so a secret is
// in swappable memory for the length of one call; and compiled code may leave words of it in registers and on the
// machine stack until those are used again (src/crypto/flush.ts shortens that).
import sodium from "libsodium-wrappers-sumo";
import { Fault } from "../fault.ts";
import { equal, isZero, lockedAlloc, wipe } from "../memory/locked.ts";
import { randomFill } from "./random.ts";

export const ELEMENT_LENGTH = 32;
export const SCALAR_LENGTH = 32;

type Call<A extends number[]> = (...addresses: A) => number;
interface Module {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _crypto_core_ristretto255_is_valid_point: Call<[p: number]>;
  _crypto_core_ristretto255_from_hash: Call<[out: number, hash: number]>;
  _crypto_core_ristretto255_add: Call<[out: number, p: number, q: number]>;
  _crypto_core_ristretto255_scalar_reduce: Call<[out: number, wide: number]>;
  _crypto_core_ristretto255_scalar_invert: Call<[out: number, x: number]>;
  _crypto_core_ristretto255_scalar_mul: Call<[out: number, x: number, y: number]>;
  _crypto_core_ristretto255_scalar_sub: Call<[out: number, x: number, y: number]>;
  _crypto_scalarmult_ristretto255: Call<[out: number, scalar: number, p: number]>;
  _crypto_scalarmult_ristretto255_base: Call<[out: number, scalar: number]>;
}

await sodium.ready;
const wasm = (sodium as unknown as { libsodium: Module }).libsodium;

const WORKSPACE = 160;
const out = wasm._malloc(WORKSPACE);
const first = out + 32;
const second = out + 96;

// The stack lies below the heap. Calls with public values show how deep they reach; zeroing dead stack is harmless.
const stack = ((): { low: number; high: number } => {
  const before = wasm.HEAPU8.slice(0, out);
  let low = out;
  let high = 0;
  for (let round = 1; round <= 3; round++) {
    wasm.HEAPU8.fill(round * 37, first, first + 64);
    wasm._crypto_core_ristretto255_from_hash(second, first);
    wasm._crypto_core_ristretto255_scalar_reduce(first, first);
    wasm._crypto_core_ristretto255_scalar_mul(out, first, first);
    wasm._crypto_core_ristretto255_scalar_sub(out, first, out);
    wasm._crypto_core_ristretto255_scalar_invert(first, first);
    wasm._crypto_scalarmult_ristretto255_base(out, first);
    wasm._crypto_core_ristretto255_add(second, second, out);
    wasm._crypto_scalarmult_ristretto255(out, first, second);
  }
  for (let i = 0; i < before.length; i++) {
    if (before[i] === wasm.HEAPU8[i]) continue;
    low = Math.min(low, i);
    high = i + 1;
  }
  // Bytes that a frame did not change at its deep end do not show; no frame of these calls has more than a few.
  return { low: Math.max(low - 64, 0), high };
})();

function scrub(): void {
  const heap = wasm.HEAPU8;
  heap.fill(0, out, out + WORKSPACE);
  heap.fill(0, stack.low, stack.high);
}
scrub();

function load(address: number, bytes: Uint8Array, length: number): number {
  if (bytes.length !== length) throw new Fault("crypto/input");
  wasm.HEAPU8.set(bytes, address);
  return address;
}

// Runs one call, then hands over its 32-byte result; the workspace is clean again whatever happened.
function compute<B extends Uint8Array>(target: B, call: () => number): B {
  if (target.length !== 32) throw new Fault("crypto/input");
  try {
    if (call() !== 0) throw new Fault("crypto/input");
    target.set(wasm.HEAPU8.subarray(out, out + 32));
    return target;
  } finally {
    scrub();
  }
}

/**
 * target = scalar * element. Throws Fault `crypto/input` on a non-canonical or identity element and on a zero scalar
 * (RFC 9497 section 2.1). `target` may be one of the arguments, here and below.
 */
export const multiply = <B extends Uint8Array>(target: B, scalar: Uint8Array, element: Uint8Array): B =>
  compute(target, () => wasm._crypto_scalarmult_ristretto255(out, load(first, scalar, 32), load(second, element, 32)));

/** target = scalar * generator. Throws Fault `crypto/input` on a zero scalar. */
export const multiplyBase = <B extends Uint8Array>(target: B, scalar: Uint8Array): B =>
  compute(target, () => wasm._crypto_scalarmult_ristretto255_base(out, load(first, scalar, 32)));

/** target = a + b, both elements. Throws Fault `crypto/input` on a non-canonical element. */
export const add = <B extends Uint8Array>(target: B, a: Uint8Array, b: Uint8Array): B =>
  compute(target, () => wasm._crypto_core_ristretto255_add(out, load(first, a, 32), load(second, b, 32)));

/** target = the element of 64 uniform bytes: the one-way map of RFC 9496 section 4.3.4. */
export const fromUniform = <B extends Uint8Array>(target: B, uniform: Uint8Array): B =>
  compute(target, () => wasm._crypto_core_ristretto255_from_hash(out, load(first, uniform, 64)));

/** target = 64 little-endian bytes modulo the group order. */
export const reduce = <B extends Uint8Array>(target: B, wide: Uint8Array): B =>
  compute(target, () => {
    wasm._crypto_core_ristretto255_scalar_reduce(out, load(first, wide, 64));
    return 0;
  });

/** target = minuend - x * y modulo the group order. */
export const scalarMulSub = <B extends Uint8Array>(target: B, minuend: Uint8Array, x: Uint8Array, y: Uint8Array): B =>
  compute(target, () => {
    wasm._crypto_core_ristretto255_scalar_mul(out, load(first, x, 32), load(second, y, 32));
    wasm._crypto_core_ristretto255_scalar_sub(out, load(first, minuend, 32), out);
    return 0;
  });

/** target = 1 / scalar modulo the group order. Throws Fault `crypto/input` on zero. */
export const invert = <B extends Uint8Array>(target: B, scalar: Uint8Array): B =>
  compute(target, () => wasm._crypto_core_ristretto255_scalar_invert(out, load(first, scalar, 32)));

/** True for the canonical encoding of an element other than the identity (RFC 9497 section 4.1). */
export function isElement(bytes: Uint8Array): boolean {
  if (bytes.length !== ELEMENT_LENGTH || isZero(bytes)) return false;
  try {
    return wasm._crypto_core_ristretto255_is_valid_point(load(first, bytes, 32)) === 1;
  } finally {
    scrub();
  }
}

const wide = lockedAlloc(64);
const reduced = lockedAlloc(32);

/** True for a scalar in [1, group order - 1], little-endian and canonical. The bytes may be secret. */
export function isScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== SCALAR_LENGTH || isZero(bytes)) return false;
  try {
    wide.set(bytes);
    return equal(reduce(reduced, wide), bytes);
  } finally {
    wipe(wide, reduced);
  }
}

/** Writes a uniform non-zero scalar into locked memory: 64 random bytes reduced, off uniform by less than 2^-250. */
export function randomScalar<B extends Uint8Array>(target: B): B {
  try {
    do reduce(target, randomFill(wide));
    while (isZero(target));
    return target;
  } finally {
    wipe(wide);
  }
}
