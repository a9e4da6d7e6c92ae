// VOPRF(ristretto255, SHA-512), RFC 9497 mode 0x01: what tokens of type 0x0005 are made of. Batches are flat: n elements
// of 32 bytes each, one after the other. Secret scalars stay in locked memory; src/crypto/ristretto255.ts says where a
// copy exists during a call.
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { derive } from "./derive.ts";
import {
  ELEMENT_LENGTH,
  invert,
  isElement,
  isScalar,
  multiply,
  multiplyBase,
  randomScalar,
  reduce,
  SCALAR_LENGTH,
} from "./ristretto255.ts";
import { hashToGroup, outputHash } from "./voprf-hash.ts";
import { Composites, PROOF_LENGTH, prove, verifies } from "./voprf-proof.ts";

export { ELEMENT_LENGTH, isElement, PROOF_LENGTH, SCALAR_LENGTH };
/** Bytes of the function's output (Nh of SHA-512). */
export const OUTPUT_LENGTH = 64;
/** A weight carries its index as two bytes. */
const MAX_ELEMENTS = 65535;

export interface VoprfKey {
  readonly secret: GuardedKey;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

const element = lockedAlloc(ELEMENT_LENGTH);
const scalar = lockedAlloc(SCALAR_LENGTH);
const wide = lockedAlloc(64);

function keyFilledBy(fill: (memory: Buffer) => void): VoprfKey {
  const publicKey = Buffer.alloc(ELEMENT_LENGTH);
  const secret = new GuardedKey(SCALAR_LENGTH, (memory) => {
    fill(memory);
    multiplyBase(publicKey, memory);
  });
  return { secret, publicKey };
}

/** A key pair from fresh randomness. */
export const generateVoprfKey = (): VoprfKey => keyFilledBy(randomScalar);

/** The key pair of an exported secret (32 bytes, which the caller wipes). Fault `crypto/input` unless canonical, not 0. */
export function importVoprfKey(secret: Uint8Array): VoprfKey {
  if (!isScalar(secret)) throw new Fault("crypto/input");
  return keyFilledBy((memory) => memory.set(secret));
}

/** A fresh blind: 32 bytes of locked memory. */
export const freshBlind = randomScalar;

/** out = blind * HashToGroup(input) (RFC 9497 section 3.3.2, Blind). Fault `crypto/input` on a zero or wrong blind. */
export function blindInput<B extends Uint8Array>(out: B, blind: Uint8Array, input: Uint8Array): B {
  if (!isScalar(blind)) throw new Fault("crypto/input");
  try {
    return multiply(out, blind, hashToGroup(element, input));
  } finally {
    wipe(element);
  }
}

const at = (batch: Uint8Array, i: number): Uint8Array => batch.subarray(i * ELEMENT_LENGTH, (i + 1) * ELEMENT_LENGTH);

function countOf(batch: Uint8Array): number {
  const count = batch.length / ELEMENT_LENGTH;
  if (!Number.isInteger(count) || count === 0 || count > MAX_ELEMENTS) throw new Fault("crypto/input");
  return count;
}

// The proof's nonce is a keyed hash of the secret key over the whole batch, so that an identical request is answered
// with identical bytes and nothing has to be stored for it. It is safe as in RFC 8032 and RFC 6979: the statement that
// is proved (the public key, M and Z) and the challenge are functions of the key and of the same bytes, so equal nonces
// mean the same equation once more, and different requests have nonces that are independent of each other to anybody
// without the key. 512 bits reduced leave no bias that could be exploited.
function proofNonce(secret: Uint8Array, blinded: Uint8Array): Buffer {
  try {
    return reduce(scalar, derive(wide, "issuanceNonce", secret, blinded));
  } finally {
    wipe(wide);
  }
}

/**
 * Evaluates a batch step by step: `out` = evaluated elements || proof. Each step takes `slice` elements (about 0.3 ms
 * each) and leaves no secret open, so that the caller may let other work run in between. Neither buffer may change
 * until the last step. Fault `crypto/input` on a wrong length, the identity or a non-canonical element.
 */
export function* evaluationSteps(
  out: Uint8Array,
  key: VoprfKey,
  blinded: Uint8Array,
  slice: number,
): Generator<void, void, void> {
  const count = countOf(blinded);
  const evaluated = out.subarray(0, blinded.length);
  if (out.length !== blinded.length + PROOF_LENGTH) throw new Fault("crypto/input");
  const composites = new Composites(key.publicKey);
  try {
    for (let from = 0; from < count; from += slice) {
      if (from > 0) yield;
      key.secret.use((secret) => {
        for (let i = from; i < Math.min(from + slice, count); i++) {
          multiply(at(evaluated, i), secret, at(blinded, i));
          composites.add(at(blinded, i), at(evaluated, i), false);
        }
      });
    }
    key.secret.use((secret) => {
      const nonce = proofNonce(secret, blinded);
      prove(out.subarray(blinded.length), secret, key.publicKey, composites.m, nonce);
    });
  } finally {
    wipe(scalar);
    composites.wipe();
  }
}

/** Evaluates a batch at once (RFC 9497 section 3.3.2, BlindEvaluate): `out` = evaluated elements || proof. */
export function blindEvaluate<B extends Uint8Array>(out: B, key: VoprfKey, blinded: Uint8Array): B {
  for (const _ of evaluationSteps(out, key, blinded, MAX_ELEMENTS));
  return out;
}

/** True when `proof` shows that `publicKey`'s secret evaluated the whole batch. Wrong inputs are false. */
export function verifyEvaluation(
  publicKey: Uint8Array,
  blinded: Uint8Array,
  evaluated: Uint8Array,
  proof: Uint8Array,
): boolean {
  if (blinded.length !== evaluated.length || proof.length !== PROOF_LENGTH || !isElement(publicKey)) return false;
  const composites = new Composites(publicKey);
  try {
    const count = countOf(blinded);
    for (let i = 0; i < count; i++) composites.add(at(blinded, i), at(evaluated, i), true);
    return verifies(proof, publicKey, composites.m, composites.z);
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  } finally {
    composites.wipe();
  }
}

/** out (64 bytes) = the output for `input` of a verified evaluation (RFC 9497 section 3.3.2, Finalize). */
export function unblind<B extends Uint8Array>(out: B, input: Uint8Array, blind: Uint8Array, evaluated: Uint8Array): B {
  try {
    return outputHash(out, input, multiply(element, invert(scalar, blind), evaluated));
  } finally {
    wipe(element, scalar);
  }
}

/** out (64 bytes) = the function of the secret key on `input` (RFC 9497 section 3.3.2, Evaluate). */
export function evaluate<B extends Uint8Array>(out: B, key: VoprfKey, input: Uint8Array): B {
  try {
    return key.secret.use((secret) => outputHash(out, input, multiply(element, secret, hashToGroup(element, input))));
  } finally {
    wipe(element);
  }
}
