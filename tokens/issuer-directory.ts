// Reads another issuer's token issuer directory (RFC 9578 section 4): which of its keys of type 0x0002 are for a class.
import { readSpki, SPKI_LENGTH } from "../src/crypto/rsa-spki.ts";
import { Fault } from "../src/fault.ts";
import type { TokenClass } from "./classes.ts";
import { samePublic } from "./token.ts";
import { BLIND_RSA } from "./types.ts";

/** Bytes of the longest directory that is read. */
export const MAX_DIRECTORY_LENGTH = 64 << 10;
/** Keys that one issuer may have at a time for a class. */
export const MAX_LISTED_KEYS = 8;

export interface ListedKey {
  /** 342 bytes (RFC 9578 section 6.5). */
  readonly publicKey: Buffer;
  /** Unix seconds from which its tokens are taken; 0 where the directory says nothing. */
  readonly notBefore: number;
}

/** More than any date needs, and what six bytes hold. */
const MAX_TIME = 2 ** 48 - 1;
// 342 bytes are 456 characters without padding, so every spelling is canonical.
const encodedKey = new RegExp(`^[\\w-]{${(SPKI_LENGTH / 3) * 4}}$`);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function readKey(encoded: unknown): Buffer {
  if (typeof encoded !== "string" || !encodedKey.test(encoded)) throw new Fault("wire/malformed");
  const publicKey = Buffer.from(encoded, "base64url");
  try {
    readSpki(publicKey);
  } catch {
    throw new Fault("wire/malformed");
  }
  return publicKey;
}

function readNotBefore(time: unknown): number {
  if (time === undefined) return 0;
  if (typeof time !== "number" || !Number.isInteger(time) || time < 0 || time > MAX_TIME)
    throw new Fault("wire/malformed");
  return time;
}

/**
 * The keys for tokens of `tokenClass`, in the directory's order of preference. Keys of other types, and keys whose member
 * `tacet-class` names another class, are passed over; so is every member that is not known here. Fault `wire/malformed`
 * when it is no directory, a key of type 0x0002 is not of the one form, one is there twice, or there are more than eight.
 */
export function parseIssuerDirectory(bytes: Uint8Array, tokenClass: TokenClass): ListedKey[] {
  if (bytes.length > MAX_DIRECTORY_LENGTH) throw new Fault("wire/malformed");
  const document = parseJson(bytes);
  if (!isObject(document) || typeof document["issuer-request-uri"] !== "string") throw new Fault("wire/malformed");
  const entries = document["token-keys"];
  if (!Array.isArray(entries)) throw new Fault("wire/malformed");
  const listed: ListedKey[] = [];
  for (const entry of entries as readonly unknown[]) {
    if (!isObject(entry) || typeof entry["token-type"] !== "number") throw new Fault("wire/malformed");
    const ownClass = entry["tacet-class"];
    if (entry["token-type"] !== BLIND_RSA || (ownClass !== undefined && ownClass !== tokenClass)) continue;
    const key = { publicKey: readKey(entry["token-key"]), notBefore: readNotBefore(entry["not-before"]) };
    const again = listed.some(({ publicKey }) => samePublic(publicKey, key.publicKey));
    if (again || listed.length === MAX_LISTED_KEYS) throw new Fault("wire/malformed");
    listed.push(key);
  }
  return listed;
}
