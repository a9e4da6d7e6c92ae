// The ring of short-lived envelope keys: what was recorded on the wire cannot be opened from a later dump.
import { sha256 } from "../crypto/hash.ts";
import { ReceiverKey } from "../crypto/hpke.ts";
import { KEY_ID_LENGTH } from "../wire/frame.ts";

interface Entry {
  readonly key: ReceiverKey;
  readonly id: Buffer;
  /** Unix seconds; the key is destroyed then. */
  readonly notAfter: number;
}

/** What the directory says of one envelope key. `notAfter` is in unix seconds. */
export interface PublishedKey {
  readonly publicKey: Buffer;
  readonly notAfter: number;
}

export const DEFAULT_ROTATION_SECONDS = 600;

/**
 * Keys live in guarded memory only and are never written anywhere. Each is current for one interval and accepted for
 * one more, so that a client with the previous directory is still understood. The owner calls `rotate` when it `isDue`.
 */
export class EnvelopeKeys {
  readonly #interval: number;
  #entries: Entry[] = [];
  #due = 0;

  constructor(options: { readonly rotationSeconds?: number } = {}) {
    this.#interval = options.rotationSeconds ?? DEFAULT_ROTATION_SECONDS;
  }

  /** True when it is time for the next rotation, also by a clock that was set back. */
  isDue(now: number): boolean {
    return now >= this.#due || now < this.#due - 2 * this.#interval;
  }

  /** Makes a new current key and destroys those whose time is over. The directory must be signed anew after it. */
  rotate(now: number): void {
    this.expire(now);
    const key = new ReceiverKey("request");
    const id = sha256(Buffer.alloc(32), key.publicKey).subarray(0, KEY_ID_LENGTH);
    this.#entries.unshift({ key, id, notAfter: Math.floor(now) + 2 * this.#interval });
    this.#due = Math.floor(now) + this.#interval;
  }

  /** Destroys the keys whose time is over, also when nobody has come to rotate, and those of a time that is not yet. */
  expire(now: number): void {
    const lives = ({ notAfter }: Entry): boolean => notAfter > now && notAfter <= now + 3 * this.#interval;
    for (const entry of this.#entries) if (!lives(entry)) entry.key.destroy();
    this.#entries = this.#entries.filter(lives);
  }

  /** The live key of an id (7 bytes), or undefined. Ids are public: the compare need not be constant in time. */
  find(keyId: Uint8Array, now: number): ReceiverKey | undefined {
    return this.#entries.find(({ id, notAfter }) => notAfter > now && id.equals(keyId))?.key;
  }

  /** The current key first. */
  published(): PublishedKey[] {
    return this.#entries.map(({ key, notAfter }) => ({ publicKey: key.publicKey, notAfter }));
  }

  destroy(): void {
    for (const { key } of this.#entries) key.destroy();
    this.#entries = [];
  }
}
