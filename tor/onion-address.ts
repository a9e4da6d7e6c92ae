// The v3 onion address: from a public key, and strictly back to it.
import { createHash } from "node:crypto";
import { Fault } from "../src/fault.ts";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
const version = 3;
const keyLength = 32;
const rawLength = keyLength + 2 + 1;
/** 56 base32 characters and ".onion". */
const addressLength = 62;

/** rend-spec-v3 section 6: the first two bytes of SHA3-256(".onion checksum" || public key || version). */
const checksum = (publicKey: Uint8Array): Uint8Array =>
  createHash("sha3-256")
    .update(".onion checksum")
    .update(publicKey)
    .update(Uint8Array.of(version))
    .digest()
    .subarray(0, 2);

// 35 bytes are exactly 56 characters of 5 bits, so neither padding nor left-over bits exist.
const base32 = (bytes: Uint8Array): string => {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    bits = ((bits & 0x1f) << 8) | byte;
    held += 8;
    for (; held >= 5; held -= 5) text += alphabet.charAt((bits >> (held - 5)) & 31);
  }
  return text;
};

const unbase32 = (text: string): Uint8Array => {
  const bytes = new Uint8Array(rawLength);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of text) {
    const value = alphabet.indexOf(character);
    if (value < 0) throw new Fault("tor/address");
    bits = ((bits & 0xff) << 5) | value;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = (bits >> held) & 0xff;
  }
  return bytes;
};

/**
 * The address of an ed25519 public key (32 bytes), with ".onion", in lower case.
 * Fault tor/address when the key is not 32 bytes.
 */
export const onionAddress = (publicKey: Uint8Array): string => {
  if (publicKey.length !== keyLength) throw new Fault("tor/address");
  const raw = new Uint8Array(rawLength);
  raw.set(publicKey);
  raw.set(checksum(publicKey), keyLength);
  raw[rawLength - 1] = version;
  return `${base32(raw)}.onion`;
};

/**
 * The 32-byte public key of an address. Only the one canonical spelling is taken: lower case, 56 characters, ".onion",
 * right checksum, version 3. Anything else is Fault tor/address.
 */
export const parseOnionAddress = (address: string): Uint8Array => {
  if (address.length !== addressLength || !address.endsWith(".onion")) throw new Fault("tor/address");
  const raw = unbase32(address.slice(0, -".onion".length));
  const publicKey = raw.subarray(0, keyLength);
  const expected = checksum(publicKey);
  if (raw[rawLength - 1] !== version || raw[keyLength] !== expected[0] || raw[keyLength + 1] !== expected[1])
    throw new Fault("tor/address");
  return publicKey;
};
