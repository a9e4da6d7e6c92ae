// Invitations: tokens of class `invite` that the operator's own issuer key makes without a request.
import { randomFill } from "../src/crypto/random.ts";
import { evaluate } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { lockedAlloc, wipe } from "../src/memory/locked.ts";
import { challengeDigest, tokenChallenge } from "./challenge.ts";
import type { IssuerKeys } from "./keys.ts";
import { NONCE_LENGTH, TOKEN_INPUT_LENGTH, TOKEN_LENGTH, writeTokenInput } from "./token.ts";
import { VOPRF } from "./types.ts";

const nonce = lockedAlloc(NONCE_LENGTH);

/**
 * Writes a fresh invitation to `origin` into `out` (162 bytes of locked memory). Valid as long as its key: to the end of
 * the epoch of `now` (unix seconds) and its overlap. Fault `token/unknown-key` when the epoch has no key yet.
 */
export function makeInvitation<B extends Uint8Array>(out: B, keys: IssuerKeys, origin: string, now: number): B {
  if (out.length !== TOKEN_LENGTH) throw new Fault("token/invalid");
  const key = keys.current("invite", now);
  try {
    const input = writeTokenInput(out, VOPRF, randomFill(nonce), challengeDigest(tokenChallenge(origin)), key.keyId);
    evaluate(out.subarray(TOKEN_INPUT_LENGTH), key, input);
    return out;
  } finally {
    wipe(nonce);
  }
}

// 162 bytes are 216 characters of base64url without padding, so every spelling is canonical.
const form = /^tacet-invite:([a-z2-7]{56}\.onion)\/([\w-]{216})$/;

/** `tacet-invite:<onion>/<token>`: what one person hands to another, so a string by its nature. */
export function encodeInvitation(origin: string, token: Uint8Array): string {
  const text = `tacet-invite:${origin}/${Buffer.from(token.buffer, token.byteOffset, token.length).toString("base64url")}`;
  if (!form.test(text)) throw new Fault("token/invalid");
  return text;
}

/** Writes an invitation's token into `out` (162 bytes) and returns its origin. Fault `token/invalid`. */
export function decodeInvitation(out: Buffer, text: string): string {
  const [, origin, token] = form.exec(text) ?? [];
  if (origin === undefined || token === undefined || out.length !== TOKEN_LENGTH) throw new Fault("token/invalid");
  out.write(token, "base64url");
  return origin;
}
