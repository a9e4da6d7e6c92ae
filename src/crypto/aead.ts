// XChaCha20-Poly1305 with random 192-bit nonces (draft-irtf-cfrg-xchacha), sealed form: nonce(24) || ciphertext || tag(16).
import sodium from "sodium-native";
import { Fault } from "../fault.ts";

/** Bytes that sealing adds: a 24-byte nonce and a 16-byte tag. */
export const SEAL_OVERHEAD = 40;

/** Seals `plain` into `out` (plain.length + 40 bytes) under a 32-byte key, bound to `associated`. */
export function sealInto<B extends Uint8Array>(out: B, plain: Uint8Array, associated: Uint8Array, key: Uint8Array): B {
  if (out.length !== plain.length + SEAL_OVERHEAD) throw new Fault("crypto/input");
  const nonce = out.subarray(0, 24);
  sodium.randombytes_buf(nonce);
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(out.subarray(24), plain, associated, null, nonce, key);
  return out;
}

/** As `sealInto`, with the nonce that `out` begins with already. Only under a key that never met this nonce before. */
export function sealAgainInto<B extends Uint8Array>(
  out: B,
  plain: Uint8Array,
  associated: Uint8Array,
  key: Uint8Array,
): B {
  if (out.length !== plain.length + SEAL_OVERHEAD) throw new Fault("crypto/input");
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
    out.subarray(24),
    plain,
    associated,
    null,
    out.subarray(0, 24),
    key,
  );
  return out;
}

/** Opens `sealed` into `out` (sealed.length - 40 bytes). Throws Fault `crypto/open`; `out` is then zero. */
export function openInto<B extends Uint8Array>(out: B, sealed: Uint8Array, associated: Uint8Array, key: Uint8Array): B {
  if (sealed.length < SEAL_OVERHEAD || out.length !== sealed.length - SEAL_OVERHEAD) throw new Fault("crypto/open");
  try {
    const nonce = sealed.subarray(0, 24);
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(out, null, sealed.subarray(24), associated, nonce, key);
  } catch {
    out.fill(0);
    throw new Fault("crypto/open");
  }
  return out;
}
