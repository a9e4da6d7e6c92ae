// The client's wallet: batches drawn from the issuer, spent one token at a time.
//
// It survives a crash anywhere by two rules. A batch's nonces and blinds are saved before its request is handed out, so
// the same request can be sent again and is answered with the same bytes. A token leaves the saved state before it is
// handed out, so it is never sent twice; a crash in between costs that one token.
import { Fault } from "../src/fault.ts";
import { equal, lockedAlloc, wipe } from "../src/memory/locked.ts";
import { blindBatch, finishBatch, finishedLengthOf, freshPending, PENDING_LENGTH, writeToken } from "./blinding.ts";
import { challengeDigest, typeOfChallenge } from "./challenge.ts";
import type { TokenClass } from "./classes.ts";
import { isLive, windowOf } from "./epochs.ts";
import type { PublicIssuerKey } from "./keys.ts";
import { tokenLengthOf } from "./token.ts";
import { typeOfPublicKey } from "./types.ts";
import { type Batch, decodeState, encodeState, itemLength, stateLength } from "./wallet-state.ts";

/**
 * Where the state is kept, encrypted. `load` gives bytes of its own, which the wallet wipes. `save` is durable when it
 * resolves, and must not keep the bytes it was given.
 */
export interface WalletStorage {
  load(): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  save(state: Uint8Array): void | Promise<void>;
}

export interface WalletOptions {
  readonly storage: WalletStorage;
  /** The issuer keys of the server's directory as the client has verified it. */
  readonly directory: () => readonly PublicIssuerKey[];
  /** Unix seconds. */
  readonly now: () => number;
}

/** A batch that was asked for and not answered yet. */
export interface PendingBatch {
  readonly class: TokenClass;
  readonly publicKey: Uint8Array;
  /** The request to send, as often as it takes. */
  readonly request: Buffer;
}

/** Everybody draws whole batches, so that none stands out. */
export const BATCH_SIZE = 100;

export class Wallet {
  readonly #options: WalletOptions;
  #batches: Batch[];
  #buffer = lockedAlloc(16384);
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: WalletOptions, batches: Batch[]) {
    this.#options = options;
    this.#batches = batches;
  }

  /** The wallet of a stored state, or an empty one. Fault `store/corrupt`. */
  static async open(options: WalletOptions): Promise<Wallet> {
    const state = await options.storage.load();
    if (state === undefined) return new Wallet(options, []);
    try {
      return new Wallet(options, decodeState(state));
    } finally {
      wipe(state);
    }
  }

  /** Tokens of a class that can be spent now. */
  count(tokenClass: TokenClass): number {
    return this.#spendable(tokenClass).reduce((sum, batch) => sum + batch.count, 0);
  }

  /** True when the batch of a key was drawn, whether or not any of it is left. */
  drawn(publicKey: Uint8Array): boolean {
    return this.#find(publicKey)?.pending === false;
  }

  /** Batches that were asked for and not answered, to be sent again as they were. */
  pending(): PendingBatch[] {
    return this.#batches.filter((batch) => batch.pending && this.#live(batch)).map((batch) => this.#asPending(batch));
  }

  /**
   * Begins the batch of an issuer key, saved before this resolves; a batch that is pending already is given again.
   * Faults: `token/unknown-key` (not in the directory, or outside its window), `token/allowance` (drawn before, also
   * from a key of the other type: one type per class and epoch keeps batches uniform), `token/invalid` (a challenge for
   * another type).
   */
  requestBatch(publicKey: Uint8Array, challenge: Uint8Array, size = BATCH_SIZE): Promise<PendingBatch> {
    return this.#serial(async () => {
      const known = this.#options.directory().find((key) => equal(key.publicKey, publicKey));
      if (known === undefined || !isLive(known, this.#options.now())) throw new Fault("token/unknown-key");
      if (typeOfChallenge(challenge) !== typeOfPublicKey(publicKey)) throw new Fault("token/invalid");
      const existing = this.#find(publicKey);
      if (existing?.pending === false || this.#hasOtherType(known)) throw new Fault("token/allowance");
      if (existing !== undefined) return this.#asPending(existing);
      const batch: Batch = {
        class: known.class,
        epoch: known.epoch,
        publicKey: Buffer.from(publicKey),
        challengeDigest: challengeDigest(challenge),
        pending: true,
        count: size,
        items: lockedAlloc(size * PENDING_LENGTH),
      };
      freshPending(batch.items);
      const pending = this.#asPending(batch);
      const before = this.#batches;
      this.#batches = [...before.filter((b) => this.#live(b)), batch];
      await this.#saveOr(() => {
        this.#batches = before;
        wipe(batch.items);
      });
      for (const old of before) if (!this.#batches.includes(old)) wipe(old.items);
      return pending;
    });
  }

  /**
   * Gives up a pending batch that the issuer has refused, so that another can be asked for: only on a refusal that says
   * nothing was issued. An issued batch that is given up is lost.
   */
  abandon(pending: PendingBatch): Promise<void> {
    return this.#serial(async () => {
      const batch = this.#find(pending.publicKey);
      if (batch === undefined || !batch.pending) return;
      const before = this.#batches;
      this.#batches = before.filter((other) => other !== batch);
      await this.#saveOr(() => (this.#batches = before));
      wipe(batch.items);
    });
  }

  /**
   * Turns the answer to a pending batch into tokens, wipes its blinds, and resolves to the number of tokens. Faults:
   * those of `finishBatch`, and `token/unknown-key` when no such batch is pending; the batch then stays as it was.
   */
  finalize(pending: PendingBatch, response: Uint8Array): Promise<number> {
    return this.#serial(async () => {
      const batch = this.#find(pending.publicKey);
      if (batch === undefined || !batch.pending) throw new Fault("token/unknown-key");
      const secrets = batch.items;
      const finished = lockedAlloc(batch.count * finishedLengthOf(typeOfPublicKey(batch.publicKey)));
      try {
        finishBatch(finished, batch, secrets, blindBatch(batch, secrets), response);
      } catch (error) {
        wipe(finished);
        throw error;
      }
      Object.assign(batch, { pending: false, items: finished });
      await this.#saveOr(() => {
        Object.assign(batch, { pending: true, items: secrets });
        wipe(finished);
      });
      wipe(secrets);
      return batch.count;
    });
  }

  /**
   * Takes one token of a class, of the oldest epoch first, writes it to the front of `out` (locked; 354 bytes hold any)
   * and gives the view of it, after the state without it was saved. The rest of `out` is zero. Faults: `token/required`
   * when there is none, `token/invalid` when `out` is too short.
   */
  take<B extends Uint8Array>(tokenClass: TokenClass, out: B): Promise<B> {
    return this.#serial(async () => {
      const batch = this.#spendable(tokenClass)[0];
      if (batch === undefined) throw new Fault("token/required");
      const length = tokenLengthOf(typeOfPublicKey(batch.publicKey));
      if (out.length < length) throw new Fault("token/invalid");
      const token = out.fill(0).subarray(0, length) as B;
      writeToken(token, batch, batch.items, batch.count - 1);
      batch.count--;
      // A failed save may have happened all the same; the token was not sent, so keeping it is safe.
      await this.#saveOr(() => {
        batch.count++;
        wipe(out);
      });
      wipe(batch.items.subarray(batch.count * itemLength(batch), (batch.count + 1) * itemLength(batch)));
      return token;
    });
  }

  /**
   * Takes `count` tokens of a class out, of the newest epoch, and writes them to the front of `out` (locked) for another
   * wallet of the same user to `receive`, after the state without them was saved; the view of what was written, or
   * undefined when there are fewer, or they do not fit.
   */
  share(tokenClass: TokenClass, count: number, out: Buffer): Promise<Buffer | undefined> {
    return this.#serial(async () => {
      const batch = this.#spendable(tokenClass).at(-1);
      if (batch === undefined || batch.count < count) return undefined;
      const length = itemLength(batch);
      const [start, end] = [(batch.count - count) * length, batch.count * length];
      const part = { ...batch, count, items: batch.items.subarray(start, end) };
      const size = stateLength([part]);
      if (out.length < size) return undefined;
      encodeState(out, [part]);
      batch.count -= count;
      await this.#saveOr(() => {
        batch.count += count;
        wipe(out);
      });
      wipe(batch.items.subarray(start, end));
      return out.subarray(0, size);
    });
  }

  /** Puts in what another wallet of the same user has shared; what is here already is not put in twice. Fault `store/corrupt`. */
  receive(shared: Uint8Array): Promise<void> {
    return this.#serial(async () => {
      const before = this.#batches;
      const received = decodeState(shared);
      this.#batches = received.reduce((all, part) => this.#with(all, part), before);
      await this.#saveOr(() => (this.#batches = before));
    });
  }

  #with(all: Batch[], part: Batch): Batch[] {
    const there = all.find((batch) => equal(batch.publicKey, part.publicKey));
    const others = all.filter((batch) => batch !== there);
    // What was asked for will not be answered: the other one's request was.
    if (there === undefined || there.pending) return [...others, part];
    const length = itemLength(part);
    const isThere = Array.from({ length: there.count }, (_, i) =>
      there.items.subarray(i * length, (i + 1) * length),
    ).some((item) => equal(item, part.items.subarray(0, length)));
    if (isThere || part.count === 0) return all;
    const items = lockedAlloc((there.count + part.count) * length);
    items.set(there.items.subarray(0, there.count * length));
    items.set(part.items.subarray(0, part.count * length), there.count * length);
    return [...others, { ...there, count: there.count + part.count, items }];
  }

  /** Wipes everything in memory; the saved state stays. */
  close(): Promise<void> {
    return this.#serial(async () => {
      for (const batch of this.#batches) wipe(batch.items);
      this.#batches = [];
      wipe(this.#buffer);
    });
  }

  #live(batch: Batch): boolean {
    return isLive(windowOf(batch.epoch), this.#options.now());
  }

  #find(publicKey: Uint8Array): Batch | undefined {
    return this.#batches.find((batch) => equal(batch.publicKey, publicKey));
  }

  #hasOtherType(key: PublicIssuerKey): boolean {
    return this.#batches.some(
      (b) =>
        b.class === key.class &&
        b.epoch === key.epoch &&
        typeOfPublicKey(b.publicKey) !== typeOfPublicKey(key.publicKey),
    );
  }

  #spendable(tokenClass: TokenClass): Batch[] {
    return this.#batches
      .filter((batch) => batch.class === tokenClass && !batch.pending && batch.count > 0 && this.#live(batch))
      .toSorted((a, b) => a.epoch - b.epoch);
  }

  #asPending(batch: Batch): PendingBatch {
    return { class: batch.class, publicKey: batch.publicKey, request: blindBatch(batch, batch.items) };
  }

  async #saveOr(undo: () => void): Promise<void> {
    const size = stateLength(this.#batches);
    if (this.#buffer.length < size) {
      wipe(this.#buffer);
      this.#buffer = lockedAlloc(2 * size);
    }
    const state = this.#buffer.subarray(0, size);
    try {
      encodeState(state, this.#batches);
      await this.#options.storage.save(state);
    } catch (error) {
      undo();
      throw error;
    } finally {
      wipe(state);
    }
  }

  // One change at a time: a later save must never overtake an earlier one.
  #serial<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined);
    return run;
  }
}
