// Tokens that are lent to requests, each to one at a time. That one is spent for good is written by the dispatcher, in the
// same durable batch as the work it paid for.
import { derive } from "../src/crypto/derive.ts";
import { Fault } from "../src/fault.ts";
import type { GuardedKey } from "../src/memory/guarded-key.ts";
import { equal, lockedAlloc, wipe } from "../src/memory/locked.ts";
import { SecureMap } from "../src/memory/secure-map.ts";
import type { TokenClass } from "./classes.ts";

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

export interface HoldsOptions {
  readonly spent: SpentSet;
  /** The server's key (32 bytes) for digests of tokens (tokens/redeemer.ts says what it is worth). */
  readonly secret: Pick<GuardedKey, "use">;
}

const REQUEST_ID_LENGTH = 16;
export const NAME_LENGTH = 32;
const BINDING_LENGTH = 16;
/** name || pad of the binding || unused: one keyed hash gives all of it. */
export const DIGEST_LENGTH = 64;
/** Requests that can hold a token at once: more than there are request arenas. */
const SLOTS = 2048;

/** A place in the slab, and views of it. */
interface Slot {
  readonly index: number;
  readonly memory: Buffer;
  readonly name: Buffer;
  readonly binding: Buffer;
}

export class Holds {
  readonly #options: HoldsOptions;
  readonly #slab = lockedAlloc(DIGEST_LENGTH * SLOTS);
  readonly #free: Slot[] = [];
  #made = 0;
  readonly #held = new SecureMap(NAME_LENGTH, SLOTS, { random: true });

  constructor(options: HoldsOptions) {
    this.#options = options;
  }

  /** Tokens that are held now. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Holds a token that was found good for the request `requestId` (16 bytes). Faults: `token/invalid` (no request id),
   * `token/spent` when another request spent it or holds it; `server/busy` when this very request is already being worked
   * on, or too many are.
   */
  async hold(token: Uint8Array, requestId: Uint8Array, tokenClass: TokenClass, epoch: number): Promise<Reservation> {
    if (requestId.length !== REQUEST_ID_LENGTH) throw new Fault("token/invalid");
    const slot = this.#free.pop() ?? this.#make();
    const { memory, name, binding } = slot;
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
      this.#options.secret.use((secret) => derive(memory, "tokenDigest", secret, token));
      // A pad that is used for one token's one binding hides the request id in it.
      for (let i = 0; i < BINDING_LENGTH; i++) binding[i] = binding[i]! ^ requestId[i]!;
      entry = this.#claim(slot);
      const before = await this.#options.spent.lookup(epoch, name);
      if (before !== undefined && !equal(before, binding)) throw new Fault("token/spent");
      return { class: tokenClass, epoch, name, binding, state: before === undefined ? "fresh" : "replay", release };
    } catch (error) {
      release();
      throw error;
    }
  }

  // Check and claim happen without a pause between them, so of two requests at once only one comes through.
  #claim({ name, binding, index }: Slot): number {
    const entry = this.#held.add(name, index);
    if (entry !== undefined) return entry;
    const holder = this.#held.get(name)!;
    const at = holder * DIGEST_LENGTH + NAME_LENGTH;
    const same = equal(this.#slab.subarray(at, at + BINDING_LENGTH), binding);
    throw new Fault(same ? "server/busy" : "token/spent");
  }

  // Views cost more to make than to keep: one set for each place that was ever used.
  #make(): Slot {
    if (this.#made === SLOTS) throw new Fault("server/busy");
    const index = this.#made++;
    const memory = this.#slab.subarray(index * DIGEST_LENGTH, (index + 1) * DIGEST_LENGTH);
    const name = memory.subarray(0, NAME_LENGTH);
    return { index, memory, name, binding: memory.subarray(NAME_LENGTH, NAME_LENGTH + BINDING_LENGTH) };
  }
}
