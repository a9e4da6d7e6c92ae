// EMSA-PSS-ENCODE with SHA-384 and MGF1 with SHA-384 (RFC 8017 section 9.1.1).
import { createHash } from "node:crypto";
import { lockedAlloc, wipe } from "../memory/locked.ts";

/** Bytes of the salt: the hash's own length. */
export const SALT_LENGTH = 48;
const HASH_LENGTH = 48;

const messageHash = lockedAlloc(HASH_LENGTH);
const mask = lockedAlloc(HASH_LENGTH);
const PADDING = Buffer.alloc(8);
const counter = Buffer.alloc(4);

function sha384(out: Uint8Array, ...parts: Uint8Array[]): void {
  const hash = createHash("sha384");
  for (const part of parts) hash.update(part);
  const digest = hash.digest();
  out.set(digest);
  wipe(digest);
}

/**
 * Writes the encoded message into `out`, as long as the modulus and for a modulus whose first bit is set (emBits =
 * 8 * out.length - 1). `salt` is 48 bytes. Message and result may be secret: `out` is the caller's to wipe.
 */
export function encodePss<B extends Uint8Array>(out: B, message: Uint8Array, salt: Uint8Array): B {
  const maskedLength = out.length - HASH_LENGTH - 1;
  const hash = out.subarray(maskedLength, maskedLength + HASH_LENGTH);
  try {
    sha384(messageHash, message);
    sha384(hash, PADDING, messageHash, salt);
    out.fill(0, 0, maskedLength);
    out[maskedLength - SALT_LENGTH - 1] = 1;
    out.set(salt, maskedLength - SALT_LENGTH);
    for (let block = 0; block * HASH_LENGTH < maskedLength; block++) {
      counter.writeUInt32BE(block);
      sha384(mask, hash, counter);
      const from = block * HASH_LENGTH;
      for (let i = 0; i < HASH_LENGTH && from + i < maskedLength; i++) out[from + i]! ^= mask[i]!;
    }
    out[0]! &= 0x7f;
    out[out.length - 1] = 0xbc;
    return out;
  } finally {
    wipe(messageHash, mask);
  }
}
