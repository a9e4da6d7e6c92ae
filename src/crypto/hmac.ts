// HMAC-SHA256 (RFC 2104) and HKDF steps (RFC 5869) with all state in locked memory; synchronous, one workspace.
import sodium from "sodium-native";
import { lockedAlloc, wipe } from "../memory/locked.ts";

const state = lockedAlloc(sodium.crypto_hash_sha256_STATEBYTES);
const pad = lockedAlloc(64);
const inner = lockedAlloc(32);

/** out (32 bytes) = HMAC-SHA256(key, parts joined); a key longer than 64 bytes is hashed first. */
export function hmac(out: Uint8Array, key: Uint8Array, ...parts: Uint8Array[]): void {
  pad.fill(0);
  if (key.length > 64) sodium.crypto_hash_sha256(pad.subarray(0, 32), key);
  else pad.set(key);
  for (let i = 0; i < 64; i++) pad[i] = pad[i]! ^ 0x36;
  sodium.crypto_hash_sha256_init(state);
  sodium.crypto_hash_sha256_update(state, pad);
  for (const part of parts) sodium.crypto_hash_sha256_update(state, part);
  sodium.crypto_hash_sha256_final(state, inner);
  for (let i = 0; i < 64; i++) pad[i] = pad[i]! ^ (0x36 ^ 0x5c);
  sodium.crypto_hash_sha256_init(state);
  sodium.crypto_hash_sha256_update(state, pad);
  sodium.crypto_hash_sha256_update(state, inner);
  sodium.crypto_hash_sha256_final(state, out);
  wipe(state, pad, inner);
}
