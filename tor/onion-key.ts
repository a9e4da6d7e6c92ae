// Writes an onion identity in the form tor's ADD_ONION takes, without ever making a string of it.
import { hash } from "node:crypto";
import { Fault } from "../src/fault.ts";

const prefix = Buffer.from("ED25519-V3:", "ascii");
const base64 = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "ascii");
const seedLength = 32;
const expandedLength = 64;

/** Bytes that `writeOnionKey` writes: "ED25519-V3:" and the 88 base64 characters of a 64-byte expanded key. */
export const onionKeyLength = prefix.length + 88;

const writeBase64 = (bytes: Uint8Array, out: Uint8Array): void => {
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out[at++] = base64[group >> 18] ?? 0;
    out[at++] = base64[(group >> 12) & 63] ?? 0;
    out[at++] = left > 1 ? (base64[(group >> 6) & 63] ?? 0) : 0x3d;
    out[at++] = left > 2 ? (base64[group & 63] ?? 0) : 0x3d;
  }
};

/**
 * Writes "ED25519-V3:" + base64(clamped SHA-512(seed)) to the start of `out` and returns `onionKeyLength`.
 *
 * Tor's key blob is the expanded secret (RFC 8032 section 5.1.5, steps 1 and 2), not the seed.
 * The seed is 32 bytes and stays the caller's, as does `out`, which the caller wipes. Fault tor/address on wrong sizes.
 */
export const writeOnionKey = (seed: Uint8Array, out: Uint8Array): number => {
  if (seed.length !== seedLength || out.length < onionKeyLength) throw new Fault("tor/address");
  // The one-shot form: a Hash object would keep a copy of its digest until it is collected.
  const expanded = hash("sha512", seed, "buffer");
  try {
    expanded[0] = (expanded[0] ?? 0) & 248;
    expanded[31] = ((expanded[31] ?? 0) & 63) | 64;
    out.set(prefix);
    writeBase64(expanded.subarray(0, expandedLength), out.subarray(prefix.length, onionKeyLength));
    return onionKeyLength;
  } finally {
    expanded.fill(0);
  }
};
