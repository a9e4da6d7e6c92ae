// HMAC-SHA256 (RFC 2104) and HKDF steps (RFC 5869) with all state in locked memory; synchronous, one workspace.
import sodium from "sodium-native";
import { lockedAlloc, wipe } from "../memory/locked.ts";

const BLOCK = 64;
// Key block and message, key block and inner hash: laid out, each is hashed in one call instead of one for each part.
const inside = lockedAlloc(BLOCK + 512);
const outside = lockedAlloc(BLOCK + 32);
const state = lockedAlloc(sodium.crypto_hash_sha256_STATEBYTES);

/** out (32 bytes) = HMAC-SHA256(key, parts joined); a key longer than 64 bytes is hashed first. */
export function hmac(out: Uint8Array, key: Uint8Array, ...parts: Uint8Array[]): void {
  let length = BLOCK;
  for (const part of parts) length += part.length;
  const input = inside.subarray(0, Math.min(length, inside.length));
  try {
    // Both are zero from the last call on.
    if (key.length > BLOCK) sodium.crypto_hash_sha256(outside.subarray(0, 32), key);
    else outside.set(key);
    for (let i = 0; i < BLOCK; i++) {
      inside[i] = outside[i]! ^ 0x36;
      outside[i] = outside[i]! ^ 0x5c;
    }
    const inner = outside.subarray(BLOCK);
    if (length <= inside.length) {
      let end = BLOCK;
      for (const part of parts) {
        inside.set(part, end);
        end += part.length;
      }
      sodium.crypto_hash_sha256(inner, input);
    } else {
      sodium.crypto_hash_sha256_init(state);
      sodium.crypto_hash_sha256_update(state, inside.subarray(0, BLOCK));
      for (const part of parts) sodium.crypto_hash_sha256_update(state, part);
      sodium.crypto_hash_sha256_final(state, inner);
    }
    sodium.crypto_hash_sha256(out, outside);
  } finally {
    wipe(input, outside, state);
  }
}
