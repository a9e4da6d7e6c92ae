// Products and inverses modulo a public odd number whose other inputs are secret, in memory that can be wiped.
//
// BigInt would leave copies of its operands all over the heap. Here secrets are limbs of 16 bits in locked memory,
// multiplied as Montgomery does (R = 2^(8 * size)); the order of the steps depends on no secret. Only values that are
// public, or that a fresh random factor hides, ever become a BigInt. What stays out of reach: doubles in registers and
// on the machine stack until those are used again.
import { Fault } from "../fault.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { randomFill } from "./random.ts";

/** The number of big-endian bytes. For public values only: a BigInt cannot be wiped. */
const toPublicBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** The greatest common divisor is 1. */
function areCoprime(a: bigint, b: bigint): boolean {
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 1n;
}

function invertPublic(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value, modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [x, y] = [y, x - quotient * y];
  }
  if (a !== 1n) throw new Fault("crypto/input");
  return x < 0n ? x + modulus : x;
}

/** True when a < b, both big-endian and of one length, in time that depends on the length only. */
export function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  let borrow = 0;
  for (let i = a.length - 1; i >= 0; i--) borrow = ((a[i]! - b[i]! - borrow) >> 8) & 1;
  return borrow === 1;
}

const RADIX = 65536;

const limbsIn = (memory: Buffer): Float64Array =>
  new Float64Array(memory.buffer, memory.byteOffset, memory.length / Float64Array.BYTES_PER_ELEMENT);

/** Arithmetic modulo one odd number. All values are big-endian, `size` bytes and below the modulus. */
export class Modulus {
  readonly #bytes: Uint8Array;
  readonly #value: bigint;
  readonly #limbs: Float64Array;
  /** -1 / modulus mod 2^16. */
  readonly #factor: number;
  /** R^2 mod modulus. */
  readonly #square: Buffer;
  readonly #memory: Buffer;
  readonly #scratch: Buffer;

  /** Fault `crypto/input` unless the modulus is odd, of even length, and its first bit is set. */
  constructor(modulus: Uint8Array) {
    const { length } = modulus;
    if (length === 0 || length % 2 !== 0 || (modulus[0]! & 0x80) === 0 || (modulus[length - 1]! & 1) === 0)
      throw new Fault("crypto/input");
    this.#bytes = modulus;
    this.#value = toPublicBigInt(modulus);
    this.#limbs = new Float64Array(length / 2);
    this.#load(this.#limbs, modulus);
    this.#factor = Number(BigInt(RADIX) - invertPublic(this.#value % BigInt(RADIX), BigInt(RADIX)));
    this.#square = this.#encode((1n << BigInt(16 * length)) % this.#value);
    // a, b and the accumulator of twice their length, and one limb more.
    this.#memory = lockedAlloc(Float64Array.BYTES_PER_ELEMENT * (2 * length + 1));
    this.#scratch = lockedAlloc(2 * length);
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** True for a value below the modulus that is not zero. */
  holds(value: Uint8Array): boolean {
    let any = 0;
    for (const byte of value) any |= byte;
    return value.length === this.size && any !== 0 && isBelow(value, this.#bytes);
  }

  /** Whether a public value has an inverse. */
  isUnit(value: Uint8Array): boolean {
    return areCoprime(this.#value, toPublicBigInt(value));
  }

  /** out = a * b. */
  multiply<B extends Uint8Array>(out: B, a: Uint8Array, b: Uint8Array): B {
    const product = this.#scratch.subarray(0, this.size);
    try {
      return this.#montgomery(out, this.#montgomery(product, a, b), this.#square);
    } finally {
      wipe(product);
    }
  }

  /** out = 1 / a. What is inverted as a BigInt is a times a random factor. Fault `crypto/input` when there is none. */
  invert<B extends Uint8Array>(out: B, a: Uint8Array): B {
    const mask = this.#scratch.subarray(0, this.size);
    const masked = this.#scratch.subarray(this.size);
    try {
      do randomFill(mask);
      while (!this.holds(mask));
      // (a * mask / R)^-1 * mask / R = 1 / a
      const inverse = invertPublic(toPublicBigInt(this.#montgomery(masked, a, mask)), this.#value);
      return this.#montgomery(out, mask, this.#encode(inverse));
    } finally {
      wipe(this.#scratch);
    }
  }

  #encode(value: bigint): Buffer {
    return Buffer.from(value.toString(16).padStart(2 * this.size, "0"), "hex");
  }

  #load(limbs: Float64Array, bytes: Uint8Array): void {
    for (let i = 0, at = bytes.length - 2; at >= 0; i++, at -= 2) limbs[i] = bytes[at]! * 256 + bytes[at + 1]!;
  }

  // out = a * b / R. The sums of up to 2 * 256 products of 32 bits stay exact in a double.
  #montgomery<B extends Uint8Array>(out: B, a: Uint8Array, b: Uint8Array): B {
    if (out.length !== this.size || a.length !== this.size || b.length !== this.size) throw new Fault("crypto/input");
    const n = this.#limbs;
    const count = n.length;
    const all = limbsIn(this.#memory);
    const [x, y, sum] = [all.subarray(0, count), all.subarray(count, 2 * count), all.subarray(2 * count)];
    try {
      this.#load(x, a);
      this.#load(y, b);
      for (let i = 0; i < count; i++) {
        const limb = x[i]!;
        // & takes the low bits of any double below 2^53.
        const quotient = Math.imul((sum[i]! + limb * y[0]!) & 0xffff, this.#factor) & 0xffff;
        for (let j = 0; j < count; j++) sum[i + j]! += limb * y[j]! + quotient * n[j]!;
        sum[i + 1]! += Math.floor(sum[i]! / RADIX);
      }
      this.#reduce(x, sum.subarray(count));
      for (let i = 0, at = out.length - 2; at >= 0; i++, at -= 2) {
        out[at] = x[i]! >> 8;
        out[at + 1] = x[i]! & 0xff;
      }
      return out;
    } finally {
      wipe(this.#memory);
    }
  }

  // Carries through `value` (below twice the modulus) and subtracts the modulus once where it fits.
  #reduce(out: Float64Array, value: Float64Array): void {
    const n = this.#limbs;
    let carry = 0;
    let borrow = 0;
    for (let i = 0; i < n.length; i++) {
      const limb = value[i]! + carry;
      carry = Math.floor(limb / RADIX);
      value[i] = limb - carry * RADIX;
      const difference = value[i]! - n[i]! - borrow;
      borrow = difference < 0 ? 1 : 0;
      out[i] = difference + borrow * RADIX;
    }
    const keep = borrow & ~(carry + value[n.length]!);
    for (let i = 0; i < n.length; i++) out[i] = keep * value[i]! + (1 - keep) * out[i]!;
  }
}
