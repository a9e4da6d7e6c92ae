// The queue at the queuing service, under a pseudonym of its own: handles, the ratchet, reading and acknowledging.
import { derive } from "../crypto/derive.ts";
import { ITEM_OVERHEAD, openNext, skipTo } from "../crypto/ratchet.ts";
import { randomBytes, randomFill } from "../crypto/random.ts";
import { SECRET_KEY_LENGTH, sign, signKeypair } from "../crypto/sign.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import type { Arena } from "../memory/arena.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { bytes, decode, fixed, struct, u48, u8, type ValueOf } from "../wire/codec.ts";
import { itemKinds, queueItem } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { MAX_PRICE, operations } from "../wire/operations.ts";
import type { Account } from "./account.ts";
import type { RequestSigner } from "./call.ts";
import { QUEUE } from "./circuits.ts";
import { ClientError } from "./errors.ts";
import { keepFriendship, type Friendship } from "./offers.ts";
import { keepLocked } from "./keep.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const SECTION = "inbox";
const { itemsPerQueue } = operations["qs.read"].limits;
/** Fewer KeyPackages than this are left at the house: more are published. */
const FEW = 3;

const record = struct({
  /** 0 until the queue's creation was answered. */
  created: u8,
  queueId: fixed(16),
  ownerSeed: fixed(32),
  /** The ratchet's value for the item `acknowledged` + 1. */
  chain: fixed(32),
  acknowledged: u48,
  /** 1 from when the server said that it had dropped items until it says so no more. */
  overflowed: u8,
  friendshipToken: fixed(32),
  keyPackageKey: fixed(32),
  /** What takes the place of the two when it is rotated, or empty. */
  nextFriendshipToken: bytes(32),
  /** The creation, kept whole until it is answered. */
  token: bytes(MAX_PRICE * TOKEN_SLOT_LENGTH),
  requestId: fixed(REQUEST_ID_LENGTH),
});
type Record = ValueOf<typeof record>;

/**
 * An opened item. `message` is a copy of its own: a handshake or a ciphertext, of which the MLS library keeps views in
 * the state it makes.
 */
export interface Item {
  readonly kind: keyof typeof itemKinds | "unreadable";
  readonly message: Buffer;
}

const kindOf = (number: number): Item["kind"] =>
  (Object.keys(itemKinds) as (keyof typeof itemKinds)[]).find((kind) => itemKinds[kind] === number) ?? "unreadable";

export class Inbox {
  readonly #session: Session;
  readonly #account: Pick<Account, "record">;
  #record: Record | undefined;
  #owner: GuardedKey | undefined;
  #spare: Uint8Array = lockedAlloc(32);
  #lacks = false;

  constructor(session: Session, account: Pick<Account, "record">) {
    this.#session = session;
    this.#account = account;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved !== undefined) this.#adopt(saved);
  }

  get exists(): boolean {
    return this.#record?.created === 1;
  }

  get #own(): Record {
    if (this.#record?.created !== 1) throw new ClientError("client/no-inbox");
    return this.#record;
  }

  /** What a contact needs to claim and open this inbox's KeyPackages, and to find the profile. */
  get friendship(): Friendship {
    const { friendshipToken: current, nextFriendshipToken: next, keyPackageKey } = this.#own;
    const friendshipToken = next.length > 0 ? next : current;
    const { profileKey } = this.#account.record;
    return keepFriendship({ domain: this.#session.domain, friendshipToken, keyPackageKey, profileKey });
  }

  get keyPackageKey(): Uint8Array {
    return this.#own.keyPackageKey;
  }

  get queueId(): Uint8Array {
    return this.#own.queueId;
  }

  /** True when the house has said that KeyPackages have run out or are nearly used up: fresh ones should be published. */
  get lacksKeyPackages(): boolean {
    return this.#lacks;
  }

  published(): void {
    this.#lacks = false;
  }

  readonly signRequest: RequestSigner = (out, ...parts) => {
    if (this.#owner === undefined) throw new ClientError("client/no-inbox");
    this.#owner.use((secret) => sign(out, "request", secret, ...parts));
  };

  entry(): Entry {
    if (this.#record === undefined) throw new ClientError("client/no-inbox");
    return entry(SECTION, record, this.#record);
  }

  /** Creates the queue; a creation that was interrupted is repeated as it was. Costs `create` tokens. */
  async create(tokens: Tokens): Promise<void> {
    if (this.exists) return;
    const { call, sections } = this.#session;
    if (this.#record === undefined) {
      await tokens.spend("qs.createQueue", async (token) => {
        const secret = (): Buffer => randomFill(lockedAlloc(32));
        this.#adopt({
          created: 0,
          queueId: Buffer.alloc(16),
          ownerSeed: secret(),
          chain: secret(),
          acknowledged: 0,
          overflowed: 0,
          friendshipToken: secret(),
          keyPackageKey: secret(),
          nextFriendshipToken: Buffer.alloc(0),
          token: keepLocked(token),
          requestId: randomBytes(REQUEST_ID_LENGTH),
        });
        await sections.save(this.entry());
      });
    }
    const draft = this.#record!;
    const ownerKey = this.#owner!.use((secret) => Buffer.from(secret.subarray(32)));
    const { token, requestId, chain: ratchetSecret, friendshipToken } = draft;
    const request = { ownerKey, ratchetSecret, friendshipToken };
    const queueId = await call({ operation: "qs.createQueue", circuit: QUEUE, request, token, requestId }, (reply) =>
      Buffer.from(reply.queueId),
    );
    this.#record = { ...draft, created: 1, queueId, token: Buffer.alloc(0) };
    await sections.save(this.entry());
  }

  /** True while the friendship is being replaced. */
  get rotating(): boolean {
    return this.#own.nextFriendshipToken.length > 0;
  }

  /** A friendship token to come, and a fresh key for KeyPackages, in memory: the caller saves the entry, then asks for `rotate`. */
  beginRotation(): Entry {
    const secret = (): Buffer => randomFill(lockedAlloc(32));
    if (!this.rotating) this.#record = { ...this.#own, nextFriendshipToken: secret(), keyPackageKey: secret() };
    return this.entry();
  }

  /** Asks for the friendship token to come; may be asked twice. */
  async rotate(): Promise<void> {
    const { queueId, friendshipToken, nextFriendshipToken } = this.#own;
    const request = { queueId, friendshipToken, nextFriendshipToken };
    const ask = { operation: "qs.rotateFriendship", circuit: QUEUE, request, signer: this.signRequest } as const;
    await this.#session.call(ask, () => undefined);
  }

  /** The new token is the token, once KeyPackages are published under the new key. */
  async endRotation(): Promise<void> {
    const { nextFriendshipToken: friendshipToken } = this.#own;
    const next = { ...this.#own, friendshipToken, nextFriendshipToken: Buffer.alloc(0) };
    await this.#change(next, () => this.#session.sections.save(this.entry()));
  }

  /**
   * What all handles of an own leaf have in them. Found again from the group's own leaf, so it need not be kept; the house,
   * which knows pseudonyms too, sees no relation.
   */
  tagOf(pseudonym: Uint8Array): Uint8Array {
    return derive(Buffer.alloc(16), "handleTag", this.#own.ownerSeed, pseudonym);
  }

  /** A fresh sealed handle of this queue for each own leaf, at most 32, named by the leaf's pseudonym. */
  async mintHandles(pseudonyms: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const tags = pseudonyms.map((pseudonym) => this.tagOf(pseudonym));
    const request = { queueId: this.queueId, generation: 0, tags };
    return this.#session.call(
      { operation: "qs.mintHandles", circuit: QUEUE, request, signer: this.signRequest },
      ({ handles }) => {
        if (handles.length !== tags.length) throw new ClientError("server/answer");
        return handles.map((handle) => Buffer.from(handle));
      },
    );
  }

  /**
   * Reads what waits, holding an empty answer back up to `wait` seconds (at most 25), and acknowledges what earlier
   * reads gave, whose effects are saved by then. `exclusive` runs the handling when nothing else changes the client.
   * `handle` takes each item in order and must save its effect together with `entry()`, so that an item is gone from
   * here exactly when its effect is kept; when it throws, the item comes again. `overflow` is for saving `entry()` when
   * the server begins (true) or ceases to say that it dropped items, and (true) when some were too old. `between` runs when an item's effect is saved; when
   * it throws, the reading ends there. Resolves to whether more is waiting.
   */
  async read(
    wait: number,
    exclusive: (work: () => Promise<void>) => Promise<void>,
    handle: (item: Item) => Promise<void>,
    overflow: (began: boolean) => Promise<void>,
    between: () => Promise<void>,
  ): Promise<boolean> {
    const { call, pool } = this.#session;
    const request = { queueId: this.queueId, acknowledge: this.#own.acknowledged, wait };
    const ask = { operation: "qs.read", circuit: QUEUE, request, signer: this.signRequest } as const;
    return call({ ...ask, timeoutMs: (wait + 60) * 1000 }, async (reply) => {
      const { items, more, full, expired } = reply;
      this.#lacks = reply.keyPackages < FEW || reply.keyPackagesExpired === 1;
      await exclusive(async () => {
        const overflowed = full === 0 ? 0 : 1;
        if (overflowed !== this.#own.overflowed) {
          await this.#change({ ...this.#own, overflowed }, () => overflow(overflowed === 1));
        }
        if (expired > this.#own.acknowledged) await this.#skip(expired, () => overflow(true));
        for (const { sequence, sealed } of items) {
          // Seen before: another read was faster, or its acknowledgement got lost.
          if (sequence <= this.#own.acknowledged) continue;
          const arena = pool.arena();
          try {
            await this.#step(arena, sequence, sealed, handle);
          } finally {
            arena.close();
          }
          await between();
        }
      });
      return more === 1;
    });
  }

  // The ratchet steps with each item, whether or not it holds something we know.
  async #step(
    arena: Arena,
    sequence: number,
    sealed: Uint8Array,
    handle: (item: Item) => Promise<void>,
  ): Promise<void> {
    const before = this.#own;
    if (sequence !== before.acknowledged + 1 || sealed.length < ITEM_OVERHEAD) throw new ClientError("server/answer");
    const plain = arena.take(sealed.length - ITEM_OVERHEAD);
    const chain = this.#spare;
    chain.set(before.chain);
    openNext(plain, chain, before.queueId, sequence, sealed);
    await this.#change({ ...before, chain, acknowledged: sequence }, () => handle(itemOf(plain)));
    wipe(before.chain);
    this.#spare = before.chain;
  }

  // Steps over items that the house dropped because they were too old: never more than can have waited.
  async #skip(expired: number, save: () => Promise<void>): Promise<void> {
    const before = this.#own;
    if (expired - before.acknowledged > itemsPerQueue) throw new ClientError("server/answer");
    const chain = this.#spare;
    chain.set(before.chain);
    skipTo(chain, before.acknowledged + 1, expired + 1);
    await this.#change({ ...before, chain, acknowledged: expired }, save);
    wipe(before.chain);
    this.#spare = before.chain;
  }

  // What `save` does not save has not happened.
  async #change(next: Record, save: () => Promise<void>): Promise<void> {
    const before = this.#record;
    this.#record = next;
    try {
      await save();
    } catch (error) {
      this.#record = before;
      throw error;
    }
  }

  #adopt(value: Record): void {
    this.#record = value;
    this.#owner?.destroy();
    this.#owner = new GuardedKey(SECRET_KEY_LENGTH, (memory) => signKeypair(Buffer.alloc(32), memory, value.ownerSeed));
  }

  close(): void {
    this.#owner?.destroy();
  }
}

/** What an opened item, or one that was put together, is. */
export function itemOf(plain: Uint8Array): Item {
  try {
    const { kind, message } = decode(queueItem, plain);
    return { kind: kindOf(kind), message: Buffer.from(message) };
  } catch {
    return { kind: "unreadable", message: Buffer.alloc(0) };
  }
}
