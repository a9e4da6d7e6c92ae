// The issuer's keys: one per class and epoch, the private halves in guarded memory only.
import { generateVoprfKey, importVoprfKey, SCALAR_LENGTH, type VoprfKey } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { equal } from "../src/memory/locked.ts";
import { allTokenClasses, tokenClasses, tokenClassOf, type TokenClass } from "./classes.ts";
import { epochOf, isLive, windowOf } from "./epochs.ts";
import { tokenKeyId } from "./token.ts";

/** What everybody may know of a key, and must find alike in the directory. Days since 1970-01-01, both inclusive. */
export interface PublicIssuerKey {
  readonly class: TokenClass;
  readonly epoch: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface IssuerKey extends PublicIssuerKey, VoprfKey {
  readonly publicKey: Buffer;
  /** SHA-256 of the public key: 32 bytes. */
  readonly keyId: Buffer;
  /** The last byte of the key id; never the same for two keys of a set. */
  readonly truncatedKeyId: number;
}

/** An exported key: class u8 || epoch u32 || secret(32). */
export const KEY_RECORD_LENGTH = 5 + SCALAR_LENGTH;

function issuerKey(tokenClass: TokenClass, epoch: number, key: VoprfKey): IssuerKey {
  const keyId = tokenKeyId(key.publicKey);
  return { class: tokenClass, epoch, ...key, keyId, truncatedKeyId: keyId[31]!, ...windowOf(epoch) };
}

/** Writes a key with its secret into `out` (37 bytes of locked memory, which the caller seals and wipes). */
export function exportIssuerKey<B extends Uint8Array>(out: B, key: IssuerKey): B {
  if (out.length !== KEY_RECORD_LENGTH) throw new Fault("crypto/input");
  out[0] = tokenClasses[key.class];
  new DataView(out.buffer, out.byteOffset, out.length).setUint32(1, key.epoch);
  key.secret.use((secret) => out.set(secret, 5));
  return out;
}

/** The key of an exported record, which the caller wipes. Fault `crypto/input` when it is none. */
export function importIssuerKey(record: Uint8Array): IssuerKey {
  const tokenClass = tokenClassOf(record[0] ?? 0);
  if (record.length !== KEY_RECORD_LENGTH || tokenClass === undefined) throw new Fault("crypto/input");
  const epoch = new DataView(record.buffer, record.byteOffset, record.length).getUint32(1);
  return issuerKey(tokenClass, epoch, importVoprfKey(record.subarray(5)));
}

/** Called once per rotation, before any new key is used: must make `created` durable, or throw. */
export type StoreKeys = (created: readonly IssuerKey[], expired: readonly IssuerKey[]) => Promise<void>;

/** The keys that a house issues with or still accepts: at most two per class. */
export class IssuerKeys {
  #keys: readonly IssuerKey[] = [];
  #rotation: Promise<void> | undefined;

  /** Adds a stored key. Fault `crypto/input` when its class and epoch, or its truncated id, are taken. */
  add(key: IssuerKey): void {
    if (this.#keys.some((k) => k.class === key.class && k.epoch === key.epoch) || this.#clashes(key, this.#keys))
      throw new Fault("crypto/input");
    this.#keys = [...this.#keys, key];
  }

  get all(): readonly IssuerKey[] {
    return this.#keys;
  }

  /** The key that `class` issues with at `now` (unix seconds). Fault `token/unknown-key` before its rotation. */
  current(tokenClass: TokenClass, now: number): IssuerKey {
    const epoch = epochOf(now);
    const key = this.#keys.find((k) => k.class === tokenClass && k.epoch === epoch);
    if (key === undefined) throw new Fault("token/unknown-key");
    return key;
  }

  byKeyId(keyId: Uint8Array): IssuerKey | undefined {
    return this.#keys.find((k) => equal(k.keyId, keyId));
  }

  byTruncatedKeyId(truncated: number): IssuerKey | undefined {
    return this.#keys.find((k) => k.truncatedKeyId === truncated);
  }

  /**
   * Makes the keys that the epoch of `now` lacks and destroys those whose window is over. A failing `store` leaves the
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
    for (const tokenClass of allTokenClasses)
      if (!this.#keys.some((k) => k.class === tokenClass && k.epoch === epoch))
        created.push(this.#fresh(tokenClass, epoch, [...this.#keys, ...created]));
    if (created.length === 0 && expired.length === 0) return;
    try {
      await store(created, expired);
    } catch (error) {
      for (const key of created) key.secret.destroy();
      throw error;
    }
    this.#keys = [...this.#keys.filter((k) => !expired.includes(k)), ...created];
    for (const key of expired) key.secret.destroy();
  }

  // A request names its key by one byte only, so a key whose byte is taken is thrown away and made anew.
  #fresh(tokenClass: TokenClass, epoch: number, others: readonly IssuerKey[]): IssuerKey {
    for (;;) {
      const key = issuerKey(tokenClass, epoch, generateVoprfKey());
      if (!this.#clashes(key, others)) return key;
      key.secret.destroy();
    }
  }

  #clashes(key: IssuerKey, others: readonly IssuerKey[]): boolean {
    return others.some((other) => other.truncatedKeyId === key.truncatedKeyId);
  }
}
