// One user of a group: a real client with a queue, what it has on disk, and what its user must have read.
import { randomBytes } from "../../../src/crypto/random.ts";
import { ITEM_OVERHEAD, openNext, skipTo } from "../../../src/crypto/ratchet.ts";
import { Fault } from "../../../src/fault.ts";
import { ClientGroup, type CommitRequest, joinFromWelcome, welcomeGroupKey } from "../../../src/mls/client.ts";
import type { PendingCommit } from "../../../src/mls/client-results.ts";
import { makeKeyPackage, type OwnKeyPackage } from "../../../src/mls/key-package.ts";
import { decode, type ValueOf } from "../../../src/wire/codec.ts";
import { itemKinds, itemPart, joinInfo, queueItem, resetNotice } from "../../../src/wire/documents.ts";
import { TestQueue } from "../../services/queue/test-queue.ts";
import { Finding, honest, must } from "./finding.ts";
import type { House, Prepared } from "./house.ts";

/** A commit of one's own that is under way. */
export interface Out {
  readonly prepared: Prepared;
  readonly commit: Buffer;
  readonly next: ClientGroup;
  /** Made from outside the tree: what the queue holds before it is of no use. */
  readonly enters: boolean;
}

/** What survives the client. */
interface Disk {
  readonly group: Uint8Array | undefined;
  readonly chain: Buffer;
  readonly opened: number;
  readonly read: readonly string[];
  readonly mine: readonly Buffer[];
  readonly skipUntil: Buffer | undefined;
  readonly out: (Omit<Out, "next"> & { readonly next: Uint8Array }) | undefined;
}

export class Actor {
  readonly name: string;
  readonly pseudonym = randomBytes(16);
  readonly #house: House;
  readonly #queue: TestQueue;
  #chain: Buffer;
  #opened = 0;
  #acknowledged = 0;
  handle: Uint8Array = Buffer.alloc(0);
  group: ClientGroup | undefined;
  /** In the epoch before. */
  before: ClientGroup | undefined;
  keyPackage: OwnKeyPackage | undefined;
  /** Reads its queue after each step. */
  online = true;
  /** Has deleted its queue and says nothing to the group. */
  vanished = false;
  /** Was removed. */
  removed = false;
  /** Does not ask for the tree when its Welcome comes. */
  late = false;
  /** Cannot follow: waits for a reset, or comes back by itself. */
  stuck = false;
  out: Out | undefined;
  /** Texts that came out of the queue, and those that must. */
  read = new Set<string>();
  readonly expects = new Set<string>();
  /** Own commits, for which the queue holds the confirmation. */
  #mine: Buffer[] = [];
  #skipUntil: Buffer | undefined;
  #welcome: Buffer | undefined;
  #waiting: { readonly kind: number; readonly message: Buffer }[] = [];
  #disk: Disk | undefined;

  private constructor(house: House, name: string, queue: TestQueue) {
    this.#house = house;
    this.name = name;
    this.#queue = queue;
    this.#chain = Buffer.from(queue.chain);
  }

  static async create(house: House, name: string): Promise<Actor> {
    const queue = await TestQueue.create(house.services);
    const actor = new Actor(house, name, queue);
    actor.handle = await actor.mintHandle();
    return actor;
  }

  async mintHandle(): Promise<Uint8Array> {
    const [handle] = await this.#queue.handles(1);
    must(handle !== undefined, "wrongly_refused", "a handle");
    return handle;
  }

  async vanish(): Promise<void> {
    await this.#queue.remove();
    this.vanished = true;
    this.online = false;
  }

  get it(): ClientGroup {
    if (this.group === undefined) throw new Error(`${this.name} is in no group`);
    return this.group;
  }

  async invitation(): Promise<Uint8Array> {
    const { pseudonym, handle } = this;
    const { now } = this.#house;
    const lifetime = { notBefore: now - 3600, notAfter: now + 30 * 86_400 };
    this.keyPackage = await makeKeyPackage({ pseudonym, handle, ...lifetime });
    return this.keyPackage.keyPackage;
  }

  /** Everything that the next request follows from is stored before it goes out. */
  save(): void {
    const { out } = this;
    this.#disk = {
      group: this.group?.serialize(),
      chain: Buffer.from(this.#chain),
      opened: this.#opened,
      read: [...this.read],
      mine: [...this.#mine],
      skipUntil: this.#skipUntil,
      out: out && { ...out, next: out.next.serialize() },
    };
  }

  /** The process ends, and a new one begins with what was saved. */
  crash(): void {
    const disk = this.#disk;
    if (disk === undefined || this.#welcome !== undefined || this.stuck) return;
    this.group = disk.group && ClientGroup.deserialize(disk.group);
    this.#chain = Buffer.from(disk.chain);
    this.#opened = disk.opened;
    this.read = new Set(disk.read);
    this.#mine = [...disk.mine];
    this.#skipUntil = disk.skipUntil;
    this.out = disk.out && { ...disk.out, next: ClientGroup.deserialize(disk.out.next) };
  }

  async committing(change: Omit<CommitRequest, "now">, large: boolean): Promise<Out> {
    const group = this.it;
    const pending = await group.commit({ ...change, now: this.#house.now });
    return this.outOf(pending, await this.requestOf(group, pending, large), false);
  }

  async requestOf(group: ClientGroup, made: PendingCommit, large: boolean): Promise<Prepared> {
    const { nextGroupKey, commit, groupInfo, recovery, welcome = Buffer.alloc(0) } = made;
    const keys = { groupId: group.groupId, groupKey: await group.groupKey(), nextGroupKey };
    const request = { ...keys, leaf: group.ownLeaf, commit, groupInfo, welcome, recovery };
    return large
      ? this.#house.prepare("ds.commitLarge", request, group)
      : this.#house.prepare("ds.commit", request, group);
  }

  /** Stores a commit before it is sent. */
  outOf({ commit, next }: Pick<PendingCommit, "commit" | "next">, prepared: Prepared, enters: boolean): Out {
    this.out = { prepared, commit: Buffer.from(commit), next, enters };
    this.#mine.push(this.out.commit);
    this.save();
    return this.out;
  }

  /** The house has taken it. */
  adopt(): void {
    const { out } = this;
    if (out === undefined) return;
    this.before = this.group;
    this.group = out.next;
    if (out.enters) {
      this.stuck = false;
      this.#skipUntil = out.commit;
    }
    this.out = undefined;
    this.save();
  }

  async whole<T extends { total: number; chunk: Uint8Array }>(ask: (offset: number) => Promise<T | undefined>) {
    const chunks: Uint8Array[] = [];
    for (let length = 0; ;) {
      const piece = await ask(length);
      if (piece === undefined) return undefined;
      chunks.push(piece.chunk);
      length += piece.chunk.length;
      if (length >= piece.total) return Buffer.concat(chunks);
      if (piece.chunk.length === 0) return undefined;
    }
  }

  async joinInfo(groupId: Uint8Array, groupKey: Uint8Array): Promise<ValueOf<typeof joinInfo> | undefined> {
    const bytes = await this.whole(
      async (offset) => (await this.#house.ask("ds.joinInfo", { groupId, groupKey, offset })).reply,
    );
    return bytes && decode(joinInfo, bytes);
  }

  /** Reads the queue to its end. `unusable`: commits, hex, that nobody needs to be able to follow. */
  async listen(unusable: ReadonlySet<string> = new Set()): Promise<void> {
    let parts: Buffer[] = [];
    for (;;) {
      const request = { queueId: this.#queue.queueId, acknowledge: this.#acknowledged, wait: 0 };
      const { reply } = await this.#house.ask("qs.read", request, this.#queue.owner);
      must(reply !== undefined, "wrongly_refused", "reading a queue");
      const items = reply.items.filter(({ sequence }) => sequence > this.#opened);
      for (const { sequence, sealed } of items) {
        skipTo(this.#chain, this.#opened + 1, sequence);
        const plain = Buffer.alloc(sealed.length - ITEM_OVERHEAD);
        openNext(plain, this.#chain, this.#queue.queueId, sequence, sealed);
        this.#opened = sequence;
        let item = decode(queueItem, plain);
        if (item.kind === itemKinds.part) {
          const part = decode(itemPart, item.message);
          parts.push(Buffer.from(part.bytes));
          if (parts.length < part.count) continue;
          item = decode(queueItem, Buffer.concat(parts));
          parts = [];
        }
        await this.#item(item.kind, Buffer.from(item.message), unusable);
      }
      if (parts.length === 0) this.save();
      this.#acknowledged = reply.items.at(-1)?.sequence ?? this.#acknowledged;
      if (reply.more === 0) return;
    }
  }

  async #item(kind: number, message: Buffer, unusable: ReadonlySet<string>): Promise<void> {
    const isMine = kind === itemKinds.commit && this.#mine.some((mine) => mine.equals(message));
    if (this.#skipUntil !== undefined) {
      if (this.#skipUntil.equals(message)) this.#skipUntil = undefined;
      return;
    }
    if (isMine) {
      if (this.out?.commit.equals(message) === true) this.adopt();
      this.#skipUntil = undefined;
      return;
    }
    if (kind === itemKinds.welcome) return this.#welcomed(message);
    if (kind === itemKinds.reset) {
      const { epoch } = decode(resetNotice, message);
      this.stuck = this.group !== undefined && this.it.epoch !== epoch;
      return;
    }
    if (this.group === undefined) {
      this.#waiting.push({ kind, message });
      return;
    }
    if (this.stuck || this.removed) return;
    await this.take(kind, message, unusable);
  }

  /** What came, not from oneself. */
  async take(kind: number, message: Buffer, unusable: ReadonlySet<string>): Promise<void> {
    try {
      const received = await this.it.receive(message);
      if (received.kind === "application") this.read.add(Buffer.from(received.plaintext).toString());
      if (received.kind === "commit" && received.removedSelf) {
        // the state before is what somebody who was removed can go on trying with
        this.removed = true;
        return;
      }
      if (received.kind === "commit") {
        this.out = undefined;
        this.before = this.group;
      }
      this.group = received.next;
    } catch (error) {
      const code = error instanceof Fault ? error.code : String(error);
      if (kind === itemKinds.proposal && code === "group/epoch") return;
      if (kind === itemKinds.commit && unusable.has(message.toString("hex"))) {
        this.stuck = true;
        return;
      }
      const [found, what] = kind === itemKinds.application ? (["unread", "a message"] as const) : forked(kind);
      throw new Finding(found, `${this.name} in epoch ${this.it.epoch} cannot take ${what}: ${code}`);
    }
  }

  async #welcomed(welcome: Buffer): Promise<void> {
    this.#welcome = welcome;
    if (!this.late) await this.comeIn();
  }

  get welcome(): Buffer | undefined {
    return this.#welcome;
  }

  /** By the Welcome that came. */
  async comeIn(): Promise<void> {
    const [welcome, own] = [this.#welcome, this.keyPackage];
    must(welcome !== undefined && own !== undefined, "failed_joins", `${this.name} got no Welcome`);
    await honest("failed_joins", `${this.name} joins`, async () => {
      const { groupId, groupKey } = await welcomeGroupKey(welcome, own.keyPackage, own.privateKeys);
      const leafKey = own.signaturePublicKey;
      const as = { publicKey: Buffer.from(leafKey), secretKey: Buffer.from(own.signPrivate) };
      const tree = await this.whole(
        async (offset) => (await this.#house.ask("ds.welcomeInfo", { groupId, groupKey, leafKey, offset }, as)).reply,
      );
      must(tree !== undefined, "failed_joins", `${this.name} gets no tree`);
      const { senderKey } = this.#house;
      this.group = await joinFromWelcome(welcome, own.keyPackage, own.privateKeys, tree, senderKey);
    });
    this.#welcome = undefined;
    for (const { kind, message } of this.#waiting.splice(0)) {
      if (!this.removed) await this.take(kind, message, new Set());
    }
    this.save();
  }
}

const forked = (kind: number): readonly ["forks", string] => [
  "forks",
  kind === itemKinds.commit ? "a commit" : "a proposal",
];
