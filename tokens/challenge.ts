// The token challenge (RFC 9577 section 2.1) and the PrivateToken authentication scheme's two header values.
//
// One challenge serves all classes of a house: the class is bound by the key. The redemption context is empty, so that
// tokens can be drawn long before they are spent, at a time that tells nothing about their use.
import { sha256 } from "../src/crypto/hash.ts";
import { Fault } from "../src/fault.ts";
import { TOKEN_LENGTH, TOKEN_TYPE } from "./token.ts";

/**
 * u16 type || u16 length, issuer name || u8 0 (no redemption context) || u16 length, origin info. Issuer and origin are
 * the same onion host, lower case, ASCII.
 */
export function tokenChallenge(origin: string): Buffer {
  const host = Buffer.from(origin, "ascii");
  const out = Buffer.alloc(7 + 2 * host.length);
  out.writeUInt16BE(TOKEN_TYPE, 0);
  out.writeUInt16BE(host.length, 2);
  out.set(host, 4);
  out.writeUInt16BE(host.length, 5 + host.length);
  out.set(host, 7 + host.length);
  return out;
}

/** SHA-256 of a challenge: 32 bytes. */
export const challengeDigest = (challenge: Uint8Array): Buffer => sha256(Buffer.alloc(32), challenge);

// base64url with padding (RFC 9577 section 2.1), hence the quotes.
const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");

/** The value of WWW-Authenticate: everything in it is public and the same for everybody. */
export const challengeHeader = (challenge: Uint8Array, publicKey: Uint8Array): string =>
  `PrivateToken challenge="${base64url(challenge)}", token-key="${base64url(publicKey)}"`;

// 162 bytes are 216 characters without padding, so every spelling is canonical.
const authorization = /^PrivateToken +token=(?:"([\w-]{216})"|([\w-]{216}))$/i;

/**
 * Writes the token of an Authorization value into `out` (162 bytes, locked). Fault `token/invalid` unless the value is
 * exactly one PrivateToken credential. A header is a string already when it gets here: only foreign clients use it.
 */
export function readAuthorization(out: Buffer, header: string): Buffer {
  const match = authorization.exec(header);
  const text = match?.[1] ?? match?.[2];
  if (text === undefined || out.length !== TOKEN_LENGTH) throw new Fault("token/invalid");
  if (out.write(text, "base64url") !== TOKEN_LENGTH) throw new Fault("token/invalid");
  return out;
}
