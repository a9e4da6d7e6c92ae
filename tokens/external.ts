// Tokens of other issuers: checked with the keys that those publish, and lent to requests like the house's own.
import { type RsaPublicKey, readSpki, verifySignature } from "../src/crypto/blind-rsa.ts";
import { Fault } from "../src/fault.ts";
import { challengeDigest, tokenChallenge } from "./challenge.ts";
import type { TokenClass } from "./classes.ts";
import { epochOf } from "./epochs.ts";
import { Holds, type HoldsOptions, type Reservation } from "./holds.ts";
import { parseToken, samePublic, tokenKeyId, type TokenView } from "./token.ts";
import { BLIND_RSA } from "./types.ts";

/** What tokens of an issuer pay for. */
export interface ExternalIssuer {
  /** Its onion host, which challenges name as the issuer. */
  readonly onion: string;
  readonly class: TokenClass;
}

export interface ExternalKey {
  /** 342 bytes (RFC 9578 section 6.5). */
  readonly publicKey: Uint8Array;
  /** Unix seconds from which its tokens are taken. */
  readonly notBefore: number;
  /** The epoch in which the house first saw the key. */
  readonly firstSeen: number;
}

/**
 * Epochs in which a key is taken, the one in which it was first seen among them: at most 90 days. Its spent tokens are
 * remembered for one more.
 */
export const EXTERNAL_KEY_EPOCHS = 3;

/** A token that is held, and whose it is. `epoch` is that in which its key was first seen. */
export type ExternalReservation = Reservation & { readonly issuer: string };

interface Verifier extends ExternalKey {
  readonly keyId: Buffer;
  readonly verifier: RsaPublicKey;
}

interface Accepted extends ExternalIssuer {
  readonly challenge: Buffer;
  readonly challengeDigest: Buffer;
  keys: readonly Verifier[];
}

export interface ExternalRedeemerOptions extends HoldsOptions {
  /** No two of the same onion. */
  readonly issuers: readonly ExternalIssuer[];
  /** The onion host of this house, which challenges name as the origin. */
  readonly origin: string;
  /** Unix seconds. */
  readonly now: () => number;
}

export class ExternalRedeemer {
  readonly #issuers: readonly Accepted[];
  readonly #holds: Holds;
  readonly #now: () => number;

  constructor({ issuers, origin, now, ...holds }: ExternalRedeemerOptions) {
    this.#issuers = issuers.map((issuer) => {
      const challenge = tokenChallenge(origin, BLIND_RSA, issuer.onion);
      return { ...issuer, challenge, challengeDigest: challengeDigest(challenge), keys: [] };
    });
    this.#holds = new Holds(holds);
    this.#now = now;
  }

  /** Tokens that are held now. */
  get held(): number {
    return this.#holds.size;
  }

  /** Replaces an issuer's keys. Fault `crypto/input` when one is of another form. */
  setKeys(onion: string, keys: readonly ExternalKey[]): void {
    const issuer = this.#issuers.find((one) => one.onion === onion);
    if (issuer === undefined) return;
    issuer.keys = keys.map((key) => ({
      ...key,
      keyId: tokenKeyId(key.publicKey),
      verifier: readSpki(key.publicKey),
    }));
  }

  /** For each issuer of a class that has a live key: its challenge, and the key that it lists first. */
  challenges(tokenClass: TokenClass): { readonly challenge: Buffer; readonly publicKey: Uint8Array }[] {
    return this.#issuers.flatMap((issuer) => {
      const key = issuer.class === tokenClass ? issuer.keys.find((one) => this.#isLive(one)) : undefined;
      return key === undefined ? [] : [{ challenge: issuer.challenge, publicKey: key.publicKey }];
    });
  }

  /**
   * Holds a token for the request `requestId` (16 bytes). Faults: `token/unknown-key` (of no issuer, or not in its time),
   * `token/invalid` (type, class, issuer, origin or signature), and those of `Holds.hold`.
   */
  async reserve(token: Uint8Array, requestId: Uint8Array, tokenClass: TokenClass): Promise<ExternalReservation> {
    const { issuer, key } = this.#check(parseToken(token), tokenClass);
    const reservation = await this.#holds.hold(token, requestId, tokenClass, key.firstSeen);
    return Object.assign(reservation, { issuer: issuer.onion });
  }

  #isLive({ notBefore, firstSeen }: ExternalKey): boolean {
    const now = this.#now();
    return now >= notBefore && epochOf(now) - firstSeen < EXTERNAL_KEY_EPOCHS;
  }

  // The challenge tells apart issuers that list the same key: nobody can count tokens against another's budget.
  #check(token: TokenView, tokenClass: TokenClass): { readonly issuer: Accepted; readonly key: Verifier } {
    const found = this.#issuers.flatMap((issuer) =>
      issuer.keys
        .filter((key) => samePublic(key.keyId, token.keyId) && this.#isLive(key))
        .map((key) => ({ issuer, key })),
    );
    if (found.length === 0) throw new Fault("token/unknown-key");
    const meant = found.find(({ issuer }) => samePublic(issuer.challengeDigest, token.challengeDigest));
    if (
      meant === undefined ||
      token.type !== BLIND_RSA ||
      meant.issuer.class !== tokenClass ||
      !verifySignature(meant.key.verifier, token.input, token.authenticator)
    )
      throw new Fault("token/invalid");
    return meant;
  }
}
