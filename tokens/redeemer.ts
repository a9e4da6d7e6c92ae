// The redeemer: checks a token and lends it to one request at a time. That it is spent for good is written by the
// dispatcher, in the same durable batch as the work it paid for.
import { derive } from "../src/crypto/derive.ts";
import { verifySignature } from "../src/crypto/blind-rsa.ts";
import { evaluate, OUTPUT_LENGTH } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import type { GuardedKey } from "../src/memory/guarded-key.ts";
import { equal, lockedAlloc, wipe } from "../src/memory/locked.ts";
import { SecureMap } from "../src/memory/secure-map.ts";
import { challengeDigest, tokenChallenge } from "./challenge.ts";
import type { TokenClass } from "./classes.ts";
import { isLive } from "./epochs.ts";
import type { IssuerKey, IssuerKeys } from "./keys.ts";
import { parseToken, samePublic, type TokenView } from "./token.ts";
import { BLIND_RSA, VOPRF } from "./types.ts";

/** The durable record of spent tokens, dropped epoch by epoch when their keys are. */
export interface SpentSet {
  /** The binding (16 bytes) stored for a spent token, or undefined. */
  lookup(epoch: number, spentName: Uint8Array): Promise<Uint8Array | undefined>;
}

/** A token held by one request. Its views are zeroed by `release`. */
export interface Reservation {
  readonly class: TokenClass;
  readonly epoch: number;
  /** Keyed digest of the token: 32 bytes. */
  readonly name: Uint8Array;
  /** 16 bytes that this token and this request id make together, and no other request id. */
  readonly binding: Uint8Array;
  /** `replay`: this very request spent the token before; the work must not be done again. */
  readonly state: "fresh" | "replay";
  /** Ends the hold, whether the token was spent or not. A second call does nothing. */
  release(): void;
}

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

const REQUEST_ID_LENGTH = 16;
const NAME_LENGTH = 32;
const BINDING_LENGTH = 16;
// name || pad of the binding || unused: one keyed hash gives all of it.
const SLOT = 64;
/** Requests that can hold a token at once: more than there are request arenas. */
const SLOTS = 2048;

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
  readonly #slab = lockedAlloc(SLOT * SLOTS);
  readonly #digest = lockedAlloc(SLOT);
  readonly #free = Array.from({ length: SLOTS }, (_, i) => SLOTS - 1 - i);
  readonly #held = new SecureMap(NAME_LENGTH, SLOTS, { random: true });

  constructor(options: RedeemerOptions) {
    this.#options = options;
    this.#challengeDigests = {
      [VOPRF]: challengeDigest(tokenChallenge(options.origin, VOPRF)),
      [BLIND_RSA]: challengeDigest(tokenChallenge(options.origin, BLIND_RSA)),
    };
  }

  /** Tokens that are held now. */
  get held(): number {
    return this.#held.size;
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
    if (!expectedHere || !samePublic(view.challengeDigest, this.#challengeDigests[view.type]) || !isAuthentic(key, view))
      throw new Fault("token/invalid");
    return key;
  }

  /**
   * Holds a token for the request `requestId` (16 bytes). Faults: those of `check`; `token/spent` when another request
   * spent it or holds it; `server/busy` when this very request is already being worked on, or too many are.
   */
  async reserve(token: Uint8Array, requestId: Uint8Array, tokenClass: TokenClass): Promise<Reservation> {
    if (requestId.length !== REQUEST_ID_LENGTH) throw new Fault("token/invalid");
    const slot = this.#free.pop();
    if (slot === undefined) throw new Fault("server/busy");
    const memory = this.#slab.subarray(slot * SLOT, (slot + 1) * SLOT);
    const name = memory.subarray(0, NAME_LENGTH);
    const binding = memory.subarray(NAME_LENGTH, NAME_LENGTH + BINDING_LENGTH);
    let entry: number | undefined;
    let ended = false;
    const release = (): void => {
      if (ended) return;
      ended = true;
      if (entry !== undefined) this.#held.remove(entry);
      wipe(memory);
      this.#free.push(slot);
    };
    try {
      const { epoch } = this.#check(token, tokenClass);
      this.#options.secret.use((secret) => derive(memory, "tokenDigest", secret, token));
      // A pad that is used for one token's one binding hides the request id in it.
      for (let i = 0; i < BINDING_LENGTH; i++) binding[i] = binding[i]! ^ requestId[i]!;
      entry = this.#claim(name, binding, slot);
      const before = await this.#options.spent.lookup(epoch, name);
      if (before !== undefined && !equal(before, binding)) throw new Fault("token/spent");
      return { class: tokenClass, epoch, name, binding, state: before === undefined ? "fresh" : "replay", release };
    } catch (error) {
      release();
      throw error;
    }
  }

  // Check and claim happen without a pause between them, so of two requests at once only one comes through.
  #claim(name: Uint8Array, binding: Uint8Array, slot: number): number {
    const entry = this.#held.add(name, slot);
    if (entry !== undefined) return entry;
    const holder = this.#held.get(name)!;
    const at = holder * SLOT + NAME_LENGTH;
    const same = equal(this.#slab.subarray(at, at + BINDING_LENGTH), binding);
    throw new Fault(same ? "server/busy" : "token/spent");
  }
}
