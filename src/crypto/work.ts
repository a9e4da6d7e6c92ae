// Proof of work: Argon2id (RFC 9106) over a seed, a request id and a nonce, counted in leading zero bits.
import sodium from "sodium-native";
import { derive } from "./derive.ts";

/** One pass over 16 MiB: milliseconds for who checks once, and memory for each lane of who tries often. */
const PASSES = 1;
const MEMORY_BYTES = 16 << 20;

const PASSWORD_LENGTH = 32;
/** What Argon2id is run on: password(32) || salt(16). */
export const WORK_INPUT_LENGTH = PASSWORD_LENGTH + sodium.crypto_pwhash_SALTBYTES;
export const WORK_DIGEST_LENGTH = 16;

/** Writes the input (48 bytes) for a seed (32), a request id (16) and a nonce (8): one input for each three of them. */
export const workInput = <B extends Uint8Array>(
  out: B,
  seed: Uint8Array,
  requestId: Uint8Array,
  nonce: Uint8Array,
): B => derive(out, "work", undefined, seed, requestId, nonce);

/** Writes an input's digest (16 bytes) on the thread pool; `out` and `input` must stay where they are until it resolves. */
export async function workDigest(out: Buffer, input: Uint8Array): Promise<void> {
  const [password, salt] = [input.subarray(0, PASSWORD_LENGTH), input.subarray(PASSWORD_LENGTH)];
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13;
  await sodium.crypto_pwhash_async(out, password, salt, PASSES, MEMORY_BYTES, algorithm);
}

/** Zero bits before the first one: what a digest is worth. */
export function leadingZeroBits(digest: Uint8Array): number {
  const at = digest.findIndex((byte) => byte !== 0);
  return at < 0 ? 8 * digest.length : 8 * at + Math.clz32(digest[at]!) - 24;
}
