// The issuer's keys: one per class, epoch and type, the private halves in guarded memory only.
import {
  type BlindRsaKey,
  generateBlindRsaKey,
  importBlindRsaKey,
  readSpki,
  type RsaPublicKey,
} from "../src/crypto/blind-rsa.ts";
import { generateVoprfKey, importVoprfKey, SCALAR_LENGTH, type VoprfKey } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { allTokenClasses, tokenClasses, tokenClassOf, type TokenClass } from "./classes.ts";
import { epochOf, isLive, windowOf } from "./epochs.ts";
import { samePublic, tokenKeyId } from "./token.ts";
import { BLIND_RSA, type TokenType, tokenTypeOf, VOPRF } from "./types.ts";

/** What everybody may know of a key, and must find alike in the directory. Days since 1970-01-01, both inclusive. */
export interface PublicIssuerKey {
  readonly class: TokenClass;
  readonly epoch: number;
  /** Says the key's type by its form: 32 bytes of type 0x0005, 342 of type 0x0002. */
  readonly publicKey: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
}

interface Identified extends PublicIssuerKey {
  readonly publicKey: Buffer;
  /** SHA-256 of the public key: 32 bytes. */
  readonly keyId: Buffer;
  /** The last byte of the key id; never the same for two keys of one type in a set. */
  readonly truncatedKeyId: number;
}

export interface VoprfIssuerKey extends Identified, VoprfKey {
  readonly type: typeof VOPRF;
  readonly publicKey: Buffer;
}

export interface RsaIssuerKey extends Identified, BlindRsaKey {
  readonly type: typeof BLIND_RSA;
  readonly publicKey: Buffer;
  /** The public key as tokens are checked with it. */
  readonly verifier: RsaPublicKey;
}

export type IssuerKey = VoprfIssuerKey | RsaIssuerKey;

/** Before the secret of an exported key: class u8 || type u16 || epoch u32. */
const RECORD_HEAD = 7;

/** Bytes of an exported key of type 0x0005, whose secret has 32. */
export const KEY_RECORD_LENGTH = RECORD_HEAD + SCALAR_LENGTH;

/** Bytes of an exported key; of type 0x0002 about 1,225, and not the same for all. */
export const keyRecordLength = (key: IssuerKey): number =>
  key.type === VOPRF ? KEY_RECORD_LENGTH : RECORD_HEAD + key.secretLength;

function identified(tokenClass: TokenClass, epoch: number, publicKey: Buffer): Identified {
  const keyId = tokenKeyId(publicKey);
  return { class: tokenClass, epoch, publicKey, keyId, truncatedKeyId: keyId[31]!, ...windowOf(epoch) };
}

const voprfIssuerKey = (tokenClass: TokenClass, epoch: number, key: VoprfKey): VoprfIssuerKey => ({
  ...identified(tokenClass, epoch, key.publicKey),
  ...key,
  type: VOPRF,
});

const rsaIssuerKey = (tokenClass: TokenClass, epoch: number, key: BlindRsaKey): RsaIssuerKey => ({
  ...identified(tokenClass, epoch, key.publicKey),
  ...key,
  type: BLIND_RSA,
  verifier: readSpki(key.publicKey),
});

/** Writes a key with its secret into `out` (keyRecordLength bytes of locked memory, which the caller seals and wipes). */
export function exportIssuerKey<B extends Uint8Array>(out: B, key: IssuerKey): B {
  if (out.length !== keyRecordLength(key)) throw new Fault("crypto/input");
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  view.setUint8(0, tokenClasses[key.class]);
  view.setUint16(1, key.type);
  view.setUint32(3, key.epoch);
  key.secret.use((secret) => out.set(secret, RECORD_HEAD));
  return out;
}

/** The key of an exported record, which the caller wipes. Fault `crypto/input` when it is none. */
export function importIssuerKey(record: Uint8Array): IssuerKey {
  if (record.length < RECORD_HEAD) throw new Fault("crypto/input");
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const tokenClass = tokenClassOf(view.getUint8(0));
  const type = tokenTypeOf(view.getUint16(1));
  if (tokenClass === undefined || type === undefined) throw new Fault("crypto/input");
  const secret = record.subarray(RECORD_HEAD);
  const epoch = view.getUint32(3);
  return type === VOPRF
    ? voprfIssuerKey(tokenClass, epoch, importVoprfKey(secret))
    : rsaIssuerKey(tokenClass, epoch, importBlindRsaKey(secret));
}

/** Called once per rotation, before any new key is used: must make `created` durable, or throw. */
export type StoreKeys = (created: readonly IssuerKey[], expired: readonly IssuerKey[]) => Promise<void>;

/** The keys that a house issues with or still accepts: at most two per class and type. */
export class IssuerKeys {
  readonly #types: readonly TokenType[];
  readonly #aheadSeconds: number;
  #keys: readonly IssuerKey[] = [];
  #rotation: Promise<void> | undefined;

  /**
   * `types`: what new keys are made of; stored keys of other types stay until their window is over. `aheadSeconds`: how
   * long before an epoch its keys are made, so that clients know them before they are used, and houses do not all turn
   * at once. Shorter than an epoch less the overlap: no more than two keys are ever there.
   */
  constructor(types: readonly TokenType[] = [VOPRF], aheadSeconds = 0) {
    this.#types = types;
    this.#aheadSeconds = aheadSeconds;
  }

  /** Adds a stored key. Fault `crypto/input` when its class, epoch and type, or its truncated id, are taken. */
  add(key: IssuerKey): void {
    if (this.#has(key.class, key.epoch, key.type) || clashes(key, this.#keys)) throw new Fault("crypto/input");
    this.#keys = [...this.#keys, key];
  }

  get all(): readonly IssuerKey[] {
    return this.#keys;
  }

  /** The key of a type that `class` issues with at `now` (unix seconds). Fault `token/unknown-key` when there is none. */
  current(tokenClass: TokenClass, now: number): VoprfIssuerKey;
  current(tokenClass: TokenClass, now: number, type: TokenType): IssuerKey;
  current(tokenClass: TokenClass, now: number, type: TokenType = VOPRF): IssuerKey {
    const epoch = epochOf(now);
    const key = this.#keys.find((k) => k.class === tokenClass && k.epoch === epoch && k.type === type);
    if (key === undefined) throw new Fault("token/unknown-key");
    return key;
  }

  byKeyId(keyId: Uint8Array): IssuerKey | undefined {
    // The last byte sorts out nearly all keys.
    return this.#keys.find((k) => k.truncatedKeyId === keyId[31] && samePublic(k.keyId, keyId));
  }

  byTruncatedKeyId(truncated: number, type: TokenType = VOPRF): IssuerKey | undefined {
    return this.#keys.find((k) => k.truncatedKeyId === truncated && k.type === type);
  }

  /**
   * Makes the keys that the epoch of `now`, and one that is near, lack and destroys those whose window is over. A failing `store` leaves the
   * set as it was. A call during another joins it.
   */
  rotate(now: number, store: StoreKeys): Promise<void> {
    this.#rotation ??= this.#rotate(now, store).finally(() => (this.#rotation = undefined));
    return this.#rotation;
  }

  async #rotate(now: number, store: StoreKeys): Promise<void> {
    const epoch = epochOf(now);
    const expired = this.#keys.filter((k) => !isLive(k, now) && k.epoch < epoch);
    const created: IssuerKey[] = [];
    try {
      for (const of of new Set([epoch, epochOf(now + this.#aheadSeconds)]))
        for (const tokenClass of allTokenClasses)
          for (const type of this.#typesOf(tokenClass))
            if (!this.#has(tokenClass, of, type))
              created.push(await fresh(tokenClass, of, type, [...this.#keys, ...created]));
      if (created.length === 0 && expired.length === 0) return;
      await store(created, expired);
    } catch (error) {
      for (const key of created) key.secret.destroy();
      throw error;
    }
    this.#keys = [...this.#keys.filter((k) => !expired.includes(k)), ...created];
    for (const key of expired) key.secret.destroy();
  }

  // Invitations are made by the house and spent at it: nobody else ever has to check one.
  #typesOf(tokenClass: TokenClass): readonly TokenType[] {
    return tokenClass === "invite" ? [VOPRF] : this.#types;
  }

  #has(tokenClass: TokenClass, epoch: number, type: TokenType): boolean {
    return this.#keys.some((k) => k.class === tokenClass && k.epoch === epoch && k.type === type);
  }
}

// A request names its key by its type and one byte only, so a key whose byte is taken is thrown away and made anew.
async function fresh(
  tokenClass: TokenClass,
  epoch: number,
  type: TokenType,
  others: readonly IssuerKey[],
): Promise<IssuerKey> {
  for (;;) {
    const key =
      type === VOPRF
        ? voprfIssuerKey(tokenClass, epoch, generateVoprfKey())
        : rsaIssuerKey(tokenClass, epoch, await generateBlindRsaKey());
    if (!clashes(key, others)) return key;
    key.secret.destroy();
  }
}

const clashes = (key: IssuerKey, others: readonly IssuerKey[]): boolean =>
  others.some((other) => other.type === key.type && other.truncatedKeyId === key.truncatedKeyId);
