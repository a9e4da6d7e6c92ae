// RSA public keys as Privacy Pass encodes them (RFC 9578 section 6.5): a SubjectPublicKeyInfo of id-RSASSA-PSS with the
// parameters SHA-384, MGF1 with SHA-384 and a salt of 48 bytes. Here with 2048 bits and the exponent 65537 only, which
// leaves the modulus as the one thing that varies: no DER is parsed, everything else is compared.
import { createPublicKey, type KeyObject } from "node:crypto";
import { Fault } from "../fault.ts";

/** Bytes of a modulus, of a blinded message and of a signature. */
export const MODULUS_LENGTH = 256;

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

const ALGORITHM = hex(
  "30 3d 06092a864886f70d01010a 30 30" + // id-RSASSA-PSS (RFC 4055 section 3.1) and its parameters:
    "a0 0d 30 0b 0609608648016503040202" + // [0] SHA-384
    "a1 1a 30 18 06092a864886f70d010108 30 0b 0609608648016503040202" + // [1] MGF1 with SHA-384
    "a2 03 020130", // [2] 48
);
// SEQUENCE { INTEGER modulus, INTEGER 65537 } (RFC 8017 appendix A.1.1), the modulus behind a zero as its top bit is set.
const PKCS1_HEAD = hex("30 82010a 02 820101 00");
const EXPONENT = hex("02 03 010001");
const PREFIX = Buffer.concat([hex("30 820152"), ALGORITHM, hex("03 82010f 00"), PKCS1_HEAD]);

/** Bytes of an encoded public key. */
export const SPKI_LENGTH = PREFIX.length + MODULUS_LENGTH + EXPONENT.length;

export interface RsaPublicKey {
  /** Big-endian. */
  readonly modulus: Uint8Array;
  /** Of type "rsa": OpenSSL gives keys of type "rsa-pss" no bare RSA operation. */
  readonly key: KeyObject;
}

/** The encoding of a key of exponent 65537, whose 256-byte modulus this takes. */
export const writeSpki = (modulus: Uint8Array): Buffer => Buffer.concat([PREFIX, modulus, EXPONENT]);

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** The key of a modulus of any length and the exponent 65537. */
export const publicKeyOf = (modulus: Uint8Array): RsaPublicKey => ({
  modulus,
  key: createPublicKey({
    key: { kty: "RSA", n: base64url(modulus), e: base64url(EXPONENT.subarray(2)) },
    format: "jwk",
  }),
});

/** The key of an encoding. Fault `crypto/input` unless it is exactly of the form above, with an odd modulus. */
export function readSpki(spki: Uint8Array): RsaPublicKey {
  const bytes = Buffer.from(spki);
  const modulus = bytes.subarray(PREFIX.length, PREFIX.length + MODULUS_LENGTH);
  const exact =
    bytes.length === SPKI_LENGTH &&
    bytes.subarray(0, PREFIX.length).equals(PREFIX) &&
    bytes.subarray(PREFIX.length + MODULUS_LENGTH).equals(EXPONENT) &&
    (modulus[0]! & 0x80) !== 0 &&
    (modulus[MODULUS_LENGTH - 1]! & 1) !== 0;
  if (!exact) throw new Fault("crypto/input");
  return publicKeyOf(modulus);
}
