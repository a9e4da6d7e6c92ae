// The token issuer directory (RFC 9578 section 4): the keys that accounts draw tokens with, as foreign clients read them.
import type { PublicIssuerKey } from "../../tokens/keys.ts";
import { allTokenTypes, type TokenType } from "../../tokens/types.ts";

/** What of a key is shown. */
export type ListedKey = PublicIssuerKey & { readonly type: TokenType };

const SECONDS_PER_DAY = 86_400;
/** Relative to the directory (RFC 9578 section 4). */
const REQUEST_URI = "/token-request";

// base64url with padding
const base64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");

/**
 * JSON. Within a type the newest keys come first, which is the order of preference. The RFC has no classes: ours are a
 * member of their own, `tacet-class`. Keys of class `invite` are not there: invitations are for our own clients.
 */
export function buildIssuerDirectory(keys: readonly ListedKey[]): Buffer {
  const listed = allTokenTypes.flatMap((type) =>
    keys
      .filter((key) => key.type === type && key.class !== "invite")
      .toSorted((a, b) => b.epoch - a.epoch)
      .map((key) => ({
        "token-type": key.type,
        "token-key": base64url(key.publicKey),
        "not-before": key.notBefore * SECONDS_PER_DAY,
        "tacet-class": key.class,
      })),
  );
  return Buffer.from(JSON.stringify({ "issuer-request-uri": REQUEST_URI, "token-keys": listed }));
}
