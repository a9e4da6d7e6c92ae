// Digits by which two people compare what their clients believe of each other: Signal's numeric fingerprint (libsignal,
// rust/protocol/src/fingerprint.rs), with a person's keys and id in the place of identity key and stable identifier.
import sodium from "sodium-native";

const ITERATIONS = 5200;
const VERSION = Buffer.from([0, 0]);
const CHUNKS = 6;
const DIGITS = 5;

/**
 * 30 digits: SHA-512 of version || keys || id || keys, then 5,199 times of the digest || keys; of the result six times five
 * bytes, each as a number modulo 100,000.
 */
export function fingerprint(keys: Uint8Array, id: Uint8Array): string {
  const hash = Buffer.alloc(64);
  sodium.crypto_hash_sha512(hash, Buffer.concat([VERSION, keys, id, keys]));
  const input = Buffer.concat([hash, keys]);
  for (let i = 1; i < ITERATIONS; i++) {
    input.set(hash);
    sodium.crypto_hash_sha512(hash, input);
  }
  const digits = (_: unknown, i: number): string => String(hash.readUIntBE(i * 5, 5) % 100_000).padStart(DIGITS, "0");
  return Array.from({ length: CHUNKS }, digits).join("");
}
