// Takes proof of work in the place of an invitation: one hash at a time, off the event loop, behind a short queue.
// A solution is lent to one request and spent by the dispatcher like a token; its partition is the day of its seed.
import { derive } from "../src/crypto/derive.ts";
import { leadingZeroBits, WORK_DIGEST_LENGTH, WORK_INPUT_LENGTH, workDigest, workInput } from "../src/crypto/work.ts";
import { Fault } from "../src/fault.ts";
import type { GuardedKey } from "../src/memory/guarded-key.ts";
import { equal, lockedAlloc, wipe } from "../src/memory/locked.ts";
import { SecureMap } from "../src/memory/secure-map.ts";
import { adjustEffort, startEffort, type EffortBounds, type EffortState } from "./effort.ts";
import { dayOf } from "./epochs.ts";
import type { Reservation, SpentSet } from "./holds.ts";
import { dayOfNonce, parseWorkSlot, WORK_SEED_LENGTH, workSeed } from "./work.ts";

export interface WorkGateOptions extends EffortBounds {
  /** What is asked for at first. */
  readonly effort: number;
  /** Solutions that may wait while one is hashed; the next is told `server/busy`. */
  readonly queue: number;
  /** The server's key (32 bytes) for seeds, names and bindings. */
  readonly secret: GuardedKey;
  /** Spent solutions by day. A record must be kept as long as its seed is taken: its day and the next. */
  readonly spent: SpentSet;
  /** Unix seconds, at the start. */
  readonly now: number;
}

const REQUEST_ID_LENGTH = 16;
const NAME_LENGTH = 32;
const BINDING_LENGTH = 16;
const INPUT_AT = NAME_LENGTH + BINDING_LENGTH;
const DIGEST_AT = INPUT_AT + WORK_INPUT_LENGTH;
const SLOT = DIGEST_AT + WORK_DIGEST_LENGTH;
/** Solutions that may be held at once, from the first look to the end of the request that they pay for. */
const SLOTS = 256;

export class WorkGate {
  readonly #options: WorkGateOptions;
  readonly #slab = lockedAlloc(SLOT * SLOTS);
  readonly #free = Array.from({ length: SLOTS }, (_, i) => SLOTS - 1 - i);
  readonly #held = new SecureMap(NAME_LENGTH, SLOTS);
  readonly #seed = lockedAlloc(WORK_SEED_LENGTH);
  #effort: EffortState;
  #hashing = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WorkGateOptions) {
    this.#options = options;
    this.#effort = startEffort(options.effort, options, options.now);
  }

  /** Solutions that are held now. */
  get held(): number {
    return this.#held.size;
  }

  /** What the directory publishes at `now` (unix seconds): leading zero bits, and the day's seed written into `seed`. */
  terms(seed: Uint8Array, now: number): { readonly effort: number } {
    workSeed(seed, this.#options.secret, dayOf(now));
    return { effort: this.#at(now).effort };
  }

  /** Counts a registration that was paid for with work and made. */
  registered(now: number): void {
    const state = this.#at(now);
    this.#effort = { ...state, count: state.count + 1 };
  }

  /**
   * Holds the solution in `slot` (354 bytes) for the request `requestId` (16 bytes). Faults: `token/work` (no solution of
   * today's or yesterday's seed, or worth too little), `server/busy` (this request is being worked on, or too many wait).
   */
  async reserve(slot: Uint8Array, requestId: Uint8Array, now: number): Promise<Reservation> {
    const nonce = parseWorkSlot(slot);
    if (requestId.length !== REQUEST_ID_LENGTH) throw new Fault("token/work");
    const place = this.#free.pop();
    if (place === undefined) throw new Fault("server/busy");
    const memory = this.#slab.subarray(place * SLOT, (place + 1) * SLOT);
    const name = memory.subarray(0, NAME_LENGTH);
    const binding = memory.subarray(NAME_LENGTH, INPUT_AT);
    const input = memory.subarray(INPUT_AT, DIGEST_AT);
    const digest = memory.subarray(DIGEST_AT);
    let holding = false;
    let ended = false;
    const release = (): void => {
      if (ended) return;
      ended = true;
      if (holding) this.#held.delete(name);
      wipe(memory);
      this.#free.push(place);
    };
    try {
      const day = dayOfNonce(nonce, dayOf(now));
      const { secret, spent } = this.#options;
      secret.use((key) => {
        workInput(input, workSeed(this.#seed, secret, day), requestId, nonce);
        derive(name, "workName", key, input);
        derive(binding, "receiptBinding", key, name, requestId);
      });
      // The name holds the request id, so whoever has it already is this very request.
      if (this.#held.get(name) !== undefined) throw new Fault("server/busy");
      this.#held.set(name, place);
      holding = true;
      const before = await spent.lookup(day, name);
      // It was hashed when it was spent, for the effort of that time.
      if (before === undefined) await this.#hash(digest, input, now);
      else if (!equal(before, binding)) throw new Fault("token/spent");
      return { class: "invite", epoch: day, name, binding, state: before === undefined ? "fresh" : "replay", release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #hash(digest: Buffer, input: Uint8Array, now: number): Promise<void> {
    if (this.#hashing > this.#options.queue) throw new Fault("server/busy");
    this.#hashing++;
    const turn = this.#last.then(() => workDigest(digest, input));
    this.#last = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#hashing--;
    }
    const { effort, previous } = this.#at(now);
    if (leadingZeroBits(digest) < Math.min(effort, previous)) throw new Fault("token/work");
  }

  #at(now: number): EffortState {
    return (this.#effort = adjustEffort(this.#effort, this.#options, now));
  }
}
