// The hash side of VOPRF(ristretto255, SHA-512), mode 0x01 (RFC 9497 sections 3.1 and 4.1; RFC 9380 section 5.3.1).
import sodium from "sodium-native";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { fromUniform, reduce } from "./ristretto255.ts";

const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
const CONTEXT = ascii("OPRFV1-\x01-ristretto255-SHA512"); // mode 0x01 is modeVOPRF
const tagged = (tag: string): Buffer => Buffer.concat([ascii(tag), CONTEXT]);
const Z_PAD = Buffer.alloc(128); // the block size of SHA-512

// What stands behind the message in the two hashes of expand_message_xmd for 64 bytes:
// l_i_b_str || I2OSP(0, 1) || DST_prime, and I2OSP(1, 1) || DST_prime.
interface Tails {
  readonly b0: Buffer;
  readonly b1: Buffer;
}
function tails(dst: Buffer): Tails {
  const dstPrime = [dst, Buffer.from([dst.length])];
  return {
    b0: Buffer.concat([Buffer.from([0, 64, 0]), ...dstPrime]),
    b1: Buffer.concat([Buffer.from([1]), ...dstPrime]),
  };
}
const HASH_TO_GROUP = tails(tagged("HashToGroup-"));
const HASH_TO_SCALAR = tails(tagged("HashToScalar-"));
const SEED = tagged("Seed-");
const COMPOSITE = ascii("Composite");
const CHALLENGE = ascii("Challenge");
const FINALIZE = ascii("Finalize");

// One workspace: everything here is synchronous, and wiped before it returns.
const state = lockedAlloc(sodium.crypto_hash_sha512_STATEBYTES);
const joined = lockedAlloc(512);
const b0 = lockedAlloc(64);
const uniform = lockedAlloc(64);
const lengths = Array.from({ length: 5 }, () => lockedAlloc(2));

// Short inputs, which are all but none, are laid out and hashed in one call instead of one for each part.
function sha512(out: Uint8Array, ...parts: Uint8Array[]): void {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length <= joined.length) {
    const input = joined.subarray(0, length);
    let end = 0;
    for (const part of parts) {
      input.set(part, end);
      end += part.length;
    }
    sodium.crypto_hash_sha512(out, input);
    wipe(input);
    return;
  }
  sodium.crypto_hash_sha512_init(state);
  for (const part of parts) sodium.crypto_hash_sha512_update(state, part);
  sodium.crypto_hash_sha512_final(state, out);
  wipe(state);
}

// Each part behind its length as two bytes.
const prefixed = (...parts: Uint8Array[]): Uint8Array[] => {
  const laid: Uint8Array[] = [];
  for (const part of parts) {
    const length = lengths[laid.length >> 1] ?? Buffer.alloc(2);
    length.writeUInt16BE(part.length);
    laid.push(length, part);
  }
  return laid;
};

// 64 bytes are one block of SHA-512, so b_1 is the whole output.
function expand(tail: Tails, parts: Uint8Array[]): void {
  sha512(b0, Z_PAD, ...parts, tail.b0);
  sha512(uniform, b0, tail.b1);
}

/** out (32 bytes) = HashToGroup(input). */
export function hashToGroup<B extends Uint8Array>(out: B, input: Uint8Array): B {
  try {
    expand(HASH_TO_GROUP, [input]);
    return fromUniform(out, uniform);
  } finally {
    wipe(b0, uniform);
  }
}

function hashToScalar<B extends Uint8Array>(out: B, parts: Uint8Array[]): B {
  try {
    expand(HASH_TO_SCALAR, parts);
    return reduce(out, uniform);
  } finally {
    wipe(b0, uniform);
  }
}

/** out (64 bytes): the seed from which a batch's weights come (RFC 9497 section 2.2.1, ComputeComposites). */
export const compositeSeed = <B extends Uint8Array>(out: B, publicKey: Uint8Array): B => {
  sha512(out, ...prefixed(publicKey, SEED));
  return out;
};

const indexBytes = Buffer.alloc(2);

/** out (32 bytes) = the weight d_i of the pair at `index` (RFC 9497 section 2.2.1). */
export function compositeWeight<B extends Uint8Array>(
  out: B,
  seed: Uint8Array,
  index: number,
  blinded: Uint8Array,
  evaluated: Uint8Array,
): B {
  indexBytes.writeUInt16BE(index);
  const [seedLength, seedBytes, ...pair] = prefixed(seed, blinded, evaluated);
  return hashToScalar(out, [seedLength!, seedBytes!, indexBytes, ...pair, COMPOSITE]);
}

/** out (32 bytes) = the challenge over the five elements of a proof (RFC 9497 section 2.2.1). */
export const proofChallenge = <B extends Uint8Array>(out: B, ...elements: Uint8Array[]): B =>
  hashToScalar(out, [...prefixed(...elements), CHALLENGE]);

/** out (64 bytes) = the function's output for `input` and its unblinded element (RFC 9497 section 3.3.2, Finalize). */
export const outputHash = <B extends Uint8Array>(out: B, input: Uint8Array, element: Uint8Array): B => {
  sha512(out, ...prefixed(input, element), FINALIZE);
  return out;
};
