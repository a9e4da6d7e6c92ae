// A queue with its owner: asks, enqueues, and opens what it reads with the ratchet.
import { derive } from "../../../src/crypto/derive.ts";
import { randomBytes } from "../../../src/crypto/random.ts";
import { ITEM_OVERHEAD, openNext, skipTo } from "../../../src/crypto/ratchet.ts";
import { DAY, keyPair, type KeyPair, type Services } from "../services.ts";

export const sealedKeyPackage = (size = 600): Buffer => randomBytes(size);

interface Read {
  readonly sequences: number[];
  readonly texts: string[];
  readonly more: number;
  readonly full: number;
  readonly expired: number;
}

export class TestQueue {
  readonly owner: KeyPair = keyPair();
  readonly friendshipToken: Buffer;
  /** The owner's side of the ratchet. */
  readonly chain = randomBytes(32);
  queueId = Buffer.alloc(16);
  #services: Services;
  #handle: Buffer | undefined;
  #opened = 0;

  private constructor(services: Services, friendshipToken: Buffer) {
    this.#services = services;
    this.friendshipToken = friendshipToken;
  }

  static async create(services: Services, { friendshipToken = randomBytes(32) } = {}): Promise<TestQueue> {
    const queue = new TestQueue(services, friendshipToken);
    const { queueId } = await services.ask("qs.createQueue", {
      ownerKey: queue.owner.publicKey,
      ratchetSecret: queue.chain,
      friendshipToken,
    });
    queue.queueId = Buffer.from(queueId);
    return queue;
  }

  /** To be handed out for so many days more. */
  async publish(keyPackages: Buffer[], lastResort: Buffer, days = 60): Promise<void> {
    const timed = (sealed: Buffer) => this.timed(sealed, days);
    await this.publishTimed(keyPackages.map(timed), timed(lastResort));
  }

  timed(sealed: Buffer, days: number): { notAfter: number; sealed: Buffer } {
    return { notAfter: Math.floor(this.#services.now / DAY) + days, sealed };
  }

  async publishTimed(keyPackages: { notAfter: number; sealed: Buffer }[], lastResort: (typeof keyPackages)[0]) {
    await this.#services.ask("qs.publish", { queueId: this.queueId, keyPackages, lastResort }, this.owner);
  }

  async claim(): Promise<Buffer> {
    const { keyPackage } = await this.#services.ask("qs.claim", { friendshipToken: this.friendshipToken });
    return Buffer.from(keyPackage);
  }

  handles(count: number): Promise<Buffer[]> {
    return this.mint(0, ...Array.from({ length: count }, () => randomBytes(16)));
  }

  async mint(generation: number, ...tags: Buffer[]): Promise<Buffer[]> {
    const request = { queueId: this.queueId, generation, tags };
    const { handles } = await this.#services.ask("qs.mintHandles", request, this.owner);
    return handles.map((handle) => Buffer.from(handle));
  }

  async handle(): Promise<Buffer> {
    return (this.#handle ??= (await this.handles(1))[0]!);
  }

  /** The handles that lead nowhere any more. */
  async enqueue(item: string | Buffer, handle?: Buffer): Promise<readonly Uint8Array[]> {
    const handles = [handle ?? (await this.handle())];
    const { gone } = await this.#services.call((call) =>
      this.#services.queue.enqueue(call, [{ handles, item: Buffer.from(item as string) }]),
    );
    return gone;
  }

  async remove(): Promise<void> {
    await this.#services.ask("qs.deleteQueue", { queueId: this.queueId, ownerKey: this.owner.publicKey }, this.owner);
  }

  async rotate(friendshipToken: Buffer, nextFriendshipToken: Buffer): Promise<void> {
    const request = { queueId: this.queueId, friendshipToken, nextFriendshipToken };
    await this.#services.ask("qs.rotateFriendship", request, this.owner);
  }

  /** Blocks groups by their tags. */
  async block(number: number, tags: readonly Buffer[], salt = randomBytes(32)): Promise<void> {
    const digests = Buffer.concat(
      tags.map((tag) => derive(Buffer.alloc(16), "blockedTag", salt, tag)).toSorted(Buffer.compare),
    );
    await this.#services.ask("qs.block", { queueId: this.queueId, number, salt, digests }, this.owner);
  }

  async revoke(generation: number): Promise<void> {
    await this.#services.ask("qs.revokeHandles", { queueId: this.queueId, generation }, this.owner);
  }

  /** The number of the first item on the new chain. */
  async refresh(generation: number, ratchetSecret: Buffer): Promise<number> {
    const request = { queueId: this.queueId, generation, ratchetSecret };
    return (await this.#services.ask("qs.refresh", request, this.owner)).from;
  }

  /** The reply as it came, items still sealed. */
  async ask(acknowledge = 0, wait = 0) {
    return this.#services.asked("qs.read", { queueId: this.queueId, acknowledge, wait }, this.owner);
  }

  /** Reads; items that were not opened before are opened in order. */
  async read(acknowledge = 0): Promise<Read> {
    const { reply } = await this.ask(acknowledge);
    const opened = this.open(reply.items);
    return {
      sequences: reply.items.map(({ sequence }) => sequence),
      texts: opened.map(String),
      more: reply.more,
      full: reply.full,
      expired: reply.expired,
    };
  }

  /** What was not opened before. */
  open(items: readonly { sequence: number; sealed: Uint8Array }[]): Buffer[] {
    const opened: Buffer[] = [];
    for (const { sequence, sealed } of items) {
      if (sequence <= this.#opened) continue;
      skipTo(this.chain, this.#opened + 1, sequence);
      const out = Buffer.alloc(sealed.length - ITEM_OVERHEAD);
      openNext(out, this.chain, this.queueId, sequence, sealed);
      opened.push(out);
      this.#opened = sequence;
    }
    return opened;
  }
}
