// A token of type 0x0005 (RFC 9577 section 2.2): strictly cut into views, nothing copied.
import { sha256 } from "../src/crypto/hash.ts";
import { Fault } from "../src/fault.ts";

/** VOPRF(ristretto255, SHA-512), privately verifiable (draft-ietf-privacypass-batched-tokens). */
export const TOKEN_TYPE = 0x0005;
/** u16 type || nonce(32) || challenge digest(32) || token key id(32) || authenticator(64). */
export const TOKEN_LENGTH = 162;
/** Everything before the authenticator: what the function is evaluated on. */
export const TOKEN_INPUT_LENGTH = 98;
export const NONCE_LENGTH = 32;

/** Views of one token's bytes. */
export interface TokenView {
  readonly challengeDigest: Uint8Array;
  readonly keyId: Uint8Array;
  /** Type, nonce, challenge digest and key id. */
  readonly input: Uint8Array;
  readonly authenticator: Uint8Array;
}

/** Fault `token/invalid` unless `bytes` is exactly one token of type 0x0005. */
export function parseToken(bytes: Uint8Array): TokenView {
  if (bytes.length !== TOKEN_LENGTH || bytes[0] !== TOKEN_TYPE >> 8 || bytes[1] !== (TOKEN_TYPE & 0xff))
    throw new Fault("token/invalid");
  return {
    challengeDigest: bytes.subarray(34, 66),
    keyId: bytes.subarray(66, 98),
    input: bytes.subarray(0, TOKEN_INPUT_LENGTH),
    authenticator: bytes.subarray(TOKEN_INPUT_LENGTH),
  };
}

/** Writes a token's first 98 bytes (all but the authenticator) to the front of `out`. Each part is 32 bytes. */
export function writeTokenInput(
  out: Uint8Array,
  nonce: Uint8Array,
  challengeDigest: Uint8Array,
  keyId: Uint8Array,
): Uint8Array {
  out[0] = TOKEN_TYPE >> 8;
  out[1] = TOKEN_TYPE & 0xff;
  out.set(nonce, 2);
  out.set(challengeDigest, 34);
  out.set(keyId, 66);
  return out.subarray(0, TOKEN_INPUT_LENGTH);
}

/** SHA-256 of the public key (32 bytes); its last byte is the truncated id that a token request carries. */
export const tokenKeyId = (publicKey: Uint8Array): Buffer => sha256(Buffer.alloc(32), publicKey);
