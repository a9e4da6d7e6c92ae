// The token challenge (RFC 9577 section 2.1) and the PrivateToken authentication scheme's two header values.
//
// One challenge serves all classes of a house: the class is bound by the key. The redemption context is empty, so that
// tokens can be drawn long before they are spent, at a time that tells nothing about their use.
import { sha256 } from "../src/crypto/hash.ts";
import { Fault } from "../src/fault.ts";
import { tokenLengthOf } from "./token.ts";
import { allTokenTypes, type TokenType, VOPRF } from "./types.ts";

/**
 * u16 type || u16 length, issuer name || u8 0 (no redemption context) || u16 length, origin info. Issuer and origin are
 * onion hosts, lower case, ASCII; a house is the issuer of its own tokens.
 */
export function tokenChallenge(origin: string, type: TokenType = VOPRF, issuer: string = origin): Buffer {
  const [issuerName, originInfo] = [Buffer.from(issuer, "ascii"), Buffer.from(origin, "ascii")];
  const out = Buffer.alloc(7 + issuerName.length + originInfo.length);
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(issuerName.length, 2);
  out.set(issuerName, 4);
  out.writeUInt16BE(originInfo.length, 5 + issuerName.length);
  out.set(originInfo, 7 + issuerName.length);
  return out;
}

/** The u16 in front of a challenge. */
export const typeOfChallenge = (challenge: Uint8Array): number => ((challenge[0] ?? 0) << 8) | (challenge[1] ?? 0);

/** SHA-256 of a challenge: 32 bytes. */
export const challengeDigest = (challenge: Uint8Array): Buffer => sha256(Buffer.alloc(32), challenge);

// base64url with padding (RFC 9577 section 2.1), hence the quotes.
const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");

/** The value of WWW-Authenticate: everything in it is public and the same for everybody. */
export const challengeHeader = (challenge: Uint8Array, publicKey: Uint8Array): string =>
  `PrivateToken challenge="${base64url(challenge)}", token-key="${base64url(publicKey)}"`;

// 162 bytes are 216 characters and 354 are 472, without padding, so every spelling is canonical.
const authorization = /^PrivateToken +token=(?:"([\w-]{216}|[\w-]{472})"|([\w-]{216}|[\w-]{472}))$/i;

/**
 * Writes the token of an Authorization value to the front of `out` (locked; 354 bytes hold any) and gives the view of
 * it. Fault `token/invalid` unless the value is exactly one PrivateToken credential of a known length that fits.
 * A header is a string already when it gets here: only foreign clients use it.
 */
export function readAuthorization(out: Buffer, header: string): Buffer {
  const match = authorization.exec(header);
  const text = match?.[1] ?? match?.[2];
  const length = allTokenTypes.map(tokenLengthOf).find((bytes) => text?.length === (bytes / 3) * 4);
  if (text === undefined || length === undefined || out.length < length) throw new Fault("token/invalid");
  if (out.write(text, "base64url") !== length) throw new Fault("token/invalid");
  return out.subarray(0, length);
}
