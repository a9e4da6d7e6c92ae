// SHA-256 for what other parties' standards ask for (key ids, MLS refs, token challenges).
import sodium from "sodium-native";

/** out (32 bytes) = SHA-256(parts joined). */
const state = Buffer.alloc(sodium.crypto_hash_sha256_STATEBYTES);
export function sha256<B extends Uint8Array>(out: B, ...parts: Uint8Array[]): B {
  sodium.crypto_hash_sha256_init(state);
  for (const part of parts) sodium.crypto_hash_sha256_update(state, part);
  sodium.crypto_hash_sha256_final(state, out);
  state.fill(0);
  return out;
}
