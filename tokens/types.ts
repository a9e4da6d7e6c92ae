// The two token types of the house, told apart by their number on the wire and by the form of their public keys.
import { SPKI_LENGTH } from "../src/crypto/rsa-spki.ts";
import { Fault } from "../src/fault.ts";

/** VOPRF(ristretto255, SHA-512): only its issuer can check a token (draft-ietf-privacypass-batched-tokens). */
export const VOPRF = 0x0005;
/** Blind RSA, 2048 bits: anybody with the public key can (RFC 9578 section 6). */
export const BLIND_RSA = 0x0002;
export type TokenType = typeof VOPRF | typeof BLIND_RSA;

export const allTokenTypes: readonly TokenType[] = [VOPRF, BLIND_RSA];

/** The type of a number, or undefined when the house has none such. */
export const tokenTypeOf = (number: number): TokenType | undefined => allTokenTypes.find((type) => type === number);

const VOPRF_KEY_LENGTH = 32;

/** The type of an encoded public key (32 or 342 bytes): its length says it. Fault `crypto/input` when it is neither. */
export function typeOfPublicKey(publicKey: Uint8Array): TokenType {
  if (publicKey.length === VOPRF_KEY_LENGTH) return VOPRF;
  if (publicKey.length === SPKI_LENGTH) return BLIND_RSA;
  throw new Fault("crypto/input");
}
