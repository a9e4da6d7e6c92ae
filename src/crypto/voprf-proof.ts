// Proofs that one secret key evaluated a whole batch: DLEQ over a random combination (RFC 9497 sections 2.2.1, 2.2.2).
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { add, isScalar, multiply, multiplyBase, scalarMulSub } from "./ristretto255.ts";
import { compositeSeed, compositeWeight, proofChallenge } from "./voprf-hash.ts";

/** Challenge(32) || response(32). */
export const PROOF_LENGTH = 64;

const [commitmentA, commitmentB, composite, scratch, challenge] = Array.from({ length: 5 }, () => lockedAlloc(32)) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
];

/**
 * The weighted sum of a batch's blinded elements (M), and of its evaluated ones (Z) where no secret key can give it.
 * Holds 32 bytes of request data until `wipe`.
 */
export class Composites {
  readonly m = Buffer.alloc(32);
  readonly z = Buffer.alloc(32);
  readonly #seed = Buffer.alloc(64);
  readonly #weight = Buffer.alloc(32);
  readonly #term = Buffer.alloc(32);
  #index = 0;

  constructor(publicKey: Uint8Array) {
    compositeSeed(this.#seed, publicKey);
  }

  /** Adds the next pair of the batch; `both` also sums the evaluated side. */
  add(blinded: Uint8Array, evaluated: Uint8Array, both: boolean): void {
    compositeWeight(this.#weight, this.#seed, this.#index, blinded, evaluated);
    this.#accumulate(this.m, blinded);
    if (both) this.#accumulate(this.z, evaluated);
    this.#index++;
  }

  // The zero bytes that a sum begins with are the identity's encoding.
  #accumulate(sum: Buffer, element: Uint8Array): void {
    add(sum, sum, multiply(this.#term, this.#weight, element));
  }

  wipe(): void {
    wipe(this.m, this.z, this.#weight, this.#term);
  }
}

/**
 * Writes the proof that `publicKey` = secret * G and Z = secret * M into `proof`. `nonce` is a secret scalar that no
 * other statement may ever be proved with: two proofs under one nonce reveal the key.
 */
export function prove(
  proof: Uint8Array,
  secret: Uint8Array,
  publicKey: Uint8Array,
  m: Uint8Array,
  nonce: Uint8Array,
): void {
  try {
    multiply(composite, secret, m); // ComputeCompositesFast, section 2.2.1: Z = k * M
    multiplyBase(commitmentA, nonce);
    multiply(commitmentB, nonce, m);
    proofChallenge(challenge, publicKey, m, composite, commitmentA, commitmentB);
    proof.set(challenge);
    scalarMulSub(proof.subarray(32, 64), nonce, challenge, secret);
  } finally {
    wipe(commitmentA, commitmentB, composite, challenge);
  }
}

/** True when `proof` shows that one key stands behind `publicKey` and behind Z over M. Inputs are public. */
export function verifies(proof: Uint8Array, publicKey: Uint8Array, m: Uint8Array, z: Uint8Array): boolean {
  const c = proof.subarray(0, 32);
  const s = proof.subarray(32, 64);
  if (!isScalar(c) || !isScalar(s)) return false;
  try {
    add(commitmentA, multiplyBase(commitmentA, s), multiply(scratch, c, publicKey));
    add(commitmentB, multiply(commitmentB, s, m), multiply(scratch, c, z));
    return equal(proofChallenge(challenge, publicKey, m, z, commitmentA, commitmentB), c);
  } finally {
    wipe(commitmentA, commitmentB, scratch, challenge);
  }
}
