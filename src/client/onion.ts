// The server's public key out of its onion address: the one thing the user vouches for.
import { ClientError } from "./errors.ts";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * The 32-byte key of a v3 onion address (rend-spec-v3 section 6: base32(key || checksum(2) || version)). The checksum is
 * the transport's to check, which dials the address; here a mistyped key fails against the directory's anyway.
 */
export function domainOf(onion: string): Buffer {
  const match = /^([a-z2-7]{56})\.onion$/.exec(onion);
  if (match?.[1] === undefined) throw new ClientError("server/identity");
  const raw = Buffer.alloc(35);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of match[1]) {
    bits = ((bits & 0xff) << 5) | ALPHABET.indexOf(character);
    held += 5;
    if (held < 8) continue;
    held -= 8;
    raw[at++] = (bits >> held) & 0xff;
  }
  if (raw[34] !== 3) throw new ClientError("server/identity");
  return raw.subarray(0, 32);
}
