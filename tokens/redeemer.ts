// The redeemer: checks the house's own tokens before they are lent to requests.
import { derive } from "../src/crypto/derive.ts";
import { verifySignature } from "../src/crypto/blind-rsa.ts";
import { evaluate, OUTPUT_LENGTH } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import type { GuardedKey } from "../src/memory/guarded-key.ts";
import { equal, lockedAlloc, wipe } from "../src/memory/locked.ts";
import { challengeDigest, tokenChallenge } from "./challenge.ts";
import type { TokenClass } from "./classes.ts";
import { isLive } from "./epochs.ts";
import { DIGEST_LENGTH, Holds, NAME_LENGTH, type Reservation, type SpentSet } from "./holds.ts";
import type { IssuerKey, IssuerKeys } from "./keys.ts";
import { parseToken, samePublic, type TokenView } from "./token.ts";
import { BLIND_RSA, VOPRF } from "./types.ts";

export interface CheckedToken {
  readonly class: TokenClass;
  readonly epoch: number;
  readonly spentName: Uint8Array;
}

export interface RedeemerOptions {
  readonly keys: IssuerKeys;
  /** The onion host that challenges name as issuer and origin. */
  readonly origin: string;
  readonly spent: SpentSet;
  /**
   * The server's key (32 bytes) for digests of tokens. It need not be guarded: whoever reads it can tell which tokens
   * of those it holds were spent, and opening guarded pages costs more than the digest.
   */
  readonly secret: Pick<GuardedKey, "use">;
  /** Unix seconds. */
  readonly now: () => number;
}

const expected = lockedAlloc(OUTPUT_LENGTH);

/** Whether the authenticator is the key's: recomputed with its secret (0x0005), or checked as a signature (0x0002). */
function isAuthentic(key: IssuerKey, token: TokenView): boolean {
  if (key.type === BLIND_RSA) return verifySignature(key.verifier, token.input, token.authenticator);
  try {
    return equal(evaluate(expected, key, token.input), token.authenticator);
  } finally {
    wipe(expected);
  }
}

export class Redeemer {
  readonly #options: RedeemerOptions;
  readonly #challengeDigests: Readonly<Record<TokenView["type"], Buffer>>;
  readonly #digest = lockedAlloc(DIGEST_LENGTH);
  readonly #holds: Holds;

  constructor(options: RedeemerOptions) {
    this.#options = options;
    this.#holds = new Holds(options);
    this.#challengeDigests = {
      [VOPRF]: challengeDigest(tokenChallenge(options.origin, VOPRF)),
      [BLIND_RSA]: challengeDigest(tokenChallenge(options.origin, BLIND_RSA)),
    };
  }

  /** Tokens that are held now. */
  get held(): number {
    return this.#holds.size;
  }

  /**
   * Checks one token's form, key, window, type, class, origin and authenticator, and writes its keyed digest into `spentName`
   * (32 bytes). Faults: `token/invalid`, `token/unknown-key` (also outside the key's window). Says nothing of spending.
   */
  check(token: Uint8Array, tokenClass: TokenClass, spentName: Uint8Array): CheckedToken {
    const { epoch } = this.#check(token, tokenClass);
    const digest = this.#digest;
    try {
      this.#options.secret.use((secret) => derive(digest, "tokenDigest", secret, token));
      spentName.set(digest.subarray(0, NAME_LENGTH));
    } finally {
      wipe(digest);
    }
    return { class: tokenClass, epoch, spentName };
  }

  #check(token: Uint8Array, tokenClass: TokenClass): IssuerKey {
    const view = parseToken(token);
    const key = this.#options.keys.byKeyId(view.keyId);
    if (key === undefined || !isLive(key, this.#options.now())) throw new Fault("token/unknown-key");
    const expectedHere = key.type === view.type && key.class === tokenClass;
    if (
      !expectedHere ||
      !samePublic(view.challengeDigest, this.#challengeDigests[view.type]) ||
      !isAuthentic(key, view)
    )
      throw new Fault("token/invalid");
    return key;
  }

  /** Holds a token for the request `requestId` (16 bytes). Faults: those of `check` and of `Holds.hold`. */
  async reserve(token: Uint8Array, requestId: Uint8Array, tokenClass: TokenClass): Promise<Reservation> {
    const { epoch } = this.#check(token, tokenClass);
    return this.#holds.hold(token, requestId, tokenClass, epoch);
  }
}
