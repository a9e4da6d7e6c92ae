// Locked pages: the only place where a secret or a request's plaintext may live.
import sodium from "sodium-native";

/**
 * Long-lived locked memory of `size` bytes, zeroed, between guard pages, kept out of core dumps where the kernel allows.
 * Each call takes four mappings and frees them only at collection: for keys and pools, never per request (use an Arena).
 */
export function lockedAlloc(size: number): Buffer {
  const buffer = sodium.sodium_malloc(size);
  sodium.sodium_memzero(buffer);
  return buffer;
}

/** Overwrites each buffer with zeros; the compiler cannot leave the write out. */
export function wipe(...buffers: (Uint8Array | undefined)[]): void {
  for (const buffer of buffers) if (buffer !== undefined && buffer.length > 0) sodium.sodium_memzero(buffer);
}

/** Equality in time that depends on the length only. Buffers of different length are unequal. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && (a.length === 0 || sodium.sodium_memcmp(a, b));
}

/** True when every byte is zero, in time that depends on the length only. */
export function isZero(buffer: Uint8Array): boolean {
  return buffer.length === 0 || sodium.sodium_is_zero(buffer, buffer.length);
}
