// Ed25519 signatures (RFC 8032) whose purpose is part of what is signed.
import sodium from "sodium-native";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { signatureLabels, type SignaturePurpose } from "./labels.ts";

export const SIGNATURE_LENGTH = 64;
export const PUBLIC_KEY_LENGTH = 32;
/** libsodium's form: seed(32) || public key(32). */
export const SECRET_KEY_LENGTH = 64;

const PREFIX = 64;
const prefixes = Object.fromEntries(
  Object.entries(signatureLabels).map(([purpose, label]) => {
    const prefix = Buffer.alloc(PREFIX);
    prefix.write(label);
    return [purpose, prefix];
  }),
) as Record<SignaturePurpose, Buffer>;

// message = label, zero-padded to 64 || BLAKE2b-512(u32 length || part, for each part): no copy of a long request is made.
const message = lockedAlloc(PREFIX + 64);
function prepare(purpose: SignaturePurpose, parts: Uint8Array[]): Buffer {
  message.set(prefixes[purpose]);
  const input: Uint8Array[] = [];
  for (const part of parts) {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(part.length);
    input.push(head, part);
  }
  sodium.crypto_generichash_batch(message.subarray(PREFIX), input);
  return message;
}

/** Writes a fresh key pair: publicKey 32 bytes, secretKey 64 bytes of locked memory; from `seed` (32) when given. */
export function signKeypair(publicKey: Uint8Array, secretKey: Uint8Array, seed?: Uint8Array): void {
  if (seed === undefined) sodium.crypto_sign_keypair(publicKey, secretKey);
  else sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
}

/** Writes the 64-byte signature of `parts` for `purpose` into `out`. */
export function sign<B extends Uint8Array>(
  out: B,
  purpose: SignaturePurpose,
  secretKey: Uint8Array,
  ...parts: Uint8Array[]
): B {
  try {
    sodium.crypto_sign_detached(out, prepare(purpose, parts), secretKey);
  } finally {
    wipe(message);
  }
  return out;
}

/** True when `signature` is `publicKey`'s over `parts` for `purpose`. Wrong lengths are false, never an exception. */
export function verify(
  signature: Uint8Array,
  purpose: SignaturePurpose,
  publicKey: Uint8Array,
  ...parts: Uint8Array[]
): boolean {
  if (signature.length !== SIGNATURE_LENGTH || publicKey.length !== PUBLIC_KEY_LENGTH) return false;
  try {
    return sodium.crypto_sign_verify_detached(signature, prepare(purpose, parts), publicKey);
  } catch {
    return false;
  } finally {
    wipe(message);
  }
}
