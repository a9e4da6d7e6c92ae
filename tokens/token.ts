// A token (RFC 9577 section 2.2): strictly cut into views, nothing copied.
import { sha256 } from "../src/crypto/hash.ts";
import { Fault } from "../src/fault.ts";
import { isZero } from "../src/memory/locked.ts";
import { BLIND_RSA, type TokenType, tokenTypeOf, VOPRF } from "./types.ts";

/** Everything before the authenticator: what is evaluated or signed. */
export const TOKEN_INPUT_LENGTH = 98;
export const NONCE_LENGTH = 32;

/** Bytes of an authenticator (Nk). */
export const authenticatorLengths = { [VOPRF]: 64, [BLIND_RSA]: 256 } as const;

/** u16 type || nonce(32) || challenge digest(32) || token key id(32) || authenticator. */
export const tokenLengthOf = (type: TokenType): number => TOKEN_INPUT_LENGTH + authenticatorLengths[type];

/** Bytes of a token of type 0x0005. */
export const TOKEN_LENGTH = 162;
/** Bytes of the longest token, of type 0x0002. */
export const MAX_TOKEN_LENGTH = 354;

/** The token in a slot of MAX_TOKEN_LENGTH bytes, as a view. Fault `token/invalid` unless the rest is zeros. */
export function tokenOfSlot(slot: Uint8Array): Uint8Array {
  const type = tokenTypeOf(((slot[0] ?? 0) << 8) | (slot[1] ?? 0));
  if (type === undefined || slot.length !== MAX_TOKEN_LENGTH) throw new Fault("token/invalid");
  const length = tokenLengthOf(type);
  if (!isZero(slot.subarray(length))) throw new Fault("token/invalid");
  return slot.subarray(0, length);
}

/** Views of one token's bytes. */
export interface TokenView {
  readonly type: TokenType;
  readonly challengeDigest: Uint8Array;
  readonly keyId: Uint8Array;
  /** Type, nonce, challenge digest and key id. */
  readonly input: Uint8Array;
  readonly authenticator: Uint8Array;
}

/** Equality of public bytes, without a call into native code: key ids and challenge digests are no secrets. */
export function samePublic(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Fault `token/invalid` unless `bytes` is exactly one token of a type of the house. */
export function parseToken(bytes: Uint8Array): TokenView {
  const type = tokenTypeOf(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
  if (type === undefined || bytes.length !== tokenLengthOf(type)) throw new Fault("token/invalid");
  return {
    type,
    challengeDigest: bytes.subarray(34, 66),
    keyId: bytes.subarray(66, 98),
    input: bytes.subarray(0, TOKEN_INPUT_LENGTH),
    authenticator: bytes.subarray(TOKEN_INPUT_LENGTH),
  };
}

/** Writes a token's first 98 bytes (all but the authenticator) to the front of `out`. Each part is 32 bytes. */
export function writeTokenInput(
  out: Uint8Array,
  type: TokenType,
  nonce: Uint8Array,
  challengeDigest: Uint8Array,
  keyId: Uint8Array,
): Uint8Array {
  out[0] = type >> 8;
  out[1] = type & 0xff;
  out.set(nonce, 2);
  out.set(challengeDigest, 34);
  out.set(keyId, 66);
  return out.subarray(0, TOKEN_INPUT_LENGTH);
}

/** SHA-256 of the public key (32 bytes); its last byte is the truncated id that a token request carries. */
export const tokenKeyId = (publicKey: Uint8Array): Buffer => sha256(Buffer.alloc(32), publicKey);
