// A group's member: a real MLS client with a queue, whose requests go to the delivery service.
import { randomBytes } from "../../../src/crypto/random.ts";
import { createGroup, joinFromWelcome, type ClientGroup, type CommitRequest } from "../../../src/mls/client.ts";
import { makeKeyPackage, type OwnKeyPackage } from "../../../src/mls/key-package.ts";
import { decode } from "../../../src/wire/codec.ts";
import { itemKinds, queueItem } from "../../../src/wire/documents.ts";
import type { RequestOf } from "../../../src/wire/operations.ts";
import { TestQueue } from "../queue/test-queue.ts";
import type { Services, Signer } from "../services.ts";

type Commit = RequestOf<"ds.commit">;
type Send = RequestOf<"ds.send">;

export class TestMember {
  readonly queue: TestQueue;
  readonly handle: Buffer;
  /** What the member read from others, in order. */
  readonly heard: string[] = [];
  /** Own commits seen in the own queue. */
  confirmed = 0;
  removed = false;
  #services: Services;
  #group: ClientGroup | undefined;
  #keyPackage: OwnKeyPackage | undefined;
  #mine: Buffer[] = [];

  private constructor(services: Services, queue: TestQueue, handle: Buffer) {
    this.#services = services;
    this.queue = queue;
    this.handle = handle;
  }

  static async create(services: Services): Promise<TestMember> {
    const queue = await TestQueue.create(services);
    return new TestMember(services, queue, await queue.handle());
  }

  /** A group that the service holds, with this one member. */
  static async found(services: Services): Promise<TestMember> {
    const member = await TestMember.create(services);
    await services.ask("ds.create", await member.founding());
    return member;
  }

  get group(): ClientGroup {
    if (this.#group === undefined) throw new Error("in no group");
    return this.#group;
  }
  set group(group: ClientGroup) {
    this.#group = group;
  }
  get groupId(): Uint8Array {
    return this.group.groupId;
  }

  async founding(id?: Uint8Array): Promise<RequestOf<"ds.create">> {
    const groupId = id ?? (await this.#services.ask("ds.reserve", {})).groupId;
    const { handle } = this;
    this.#group = await createGroup({ groupId, pseudonym: randomBytes(16), handle, now: this.#services.now });
    return { groupId, groupKey: await this.group.groupKey(), groupInfo: await this.group.groupInfo() };
  }

  /** A KeyPackage that others may add. */
  async keyPackage(handle = this.handle): Promise<Uint8Array> {
    const { now } = this.#services;
    this.#keyPackage = await makeKeyPackage({
      pseudonym: randomBytes(16),
      handle,
      notBefore: now - 3600,
      notAfter: now + 30 * 86_400,
    });
    return this.#keyPackage.keyPackage;
  }

  /** A commit's request, not yet asked. */
  async committing(change: Omit<CommitRequest, "now">) {
    const { group } = this;
    const pending = await group.commit({ ...change, now: this.#services.now });
    const request: Commit = {
      groupId: group.groupId,
      groupKey: await group.groupKey(),
      nextGroupKey: pending.nextGroupKey,
      leaf: group.ownLeaf,
      commit: pending.commit,
      groupInfo: pending.groupInfo,
      welcome: pending.welcome ?? Buffer.alloc(0),
    };
    this.#mine.push(Buffer.from(pending.commit));
    return { request, pending };
  }

  async commit(change: Omit<CommitRequest, "now">): Promise<void> {
    const { request, pending } = await this.committing(change);
    await this.#services.ask("ds.commit", request, this.group);
    this.group = pending.next;
  }

  async add(other: TestMember): Promise<void> {
    await this.commit({ add: [await other.keyPackage()] });
  }

  /** A message's request, not yet asked. */
  async sending(text: string): Promise<Send> {
    const { group } = this;
    const sent = await group.send(Buffer.from(text));
    this.group = sent.next;
    return {
      groupId: group.groupId,
      groupKey: await group.groupKey(),
      leaf: group.ownLeaf,
      message: sent.privateMessage,
    };
  }

  async send(text: string, as: Signer = this.group): Promise<void> {
    await this.#services.ask("ds.send", await this.sending(text), as);
  }

  /** Takes what waits in the queue, as a client does. */
  async listen(): Promise<void> {
    const { reply } = await this.queue.ask();
    for (const item of this.queue.open(reply.items)) {
      const { kind, message } = decode(queueItem, item);
      if (kind === itemKinds.welcome) await this.#join(message);
      else if (kind === itemKinds.commit && this.#mine.some((mine) => mine.equals(message))) this.confirmed++;
      else await this.#take(message);
    }
  }

  async #join(welcome: Uint8Array): Promise<void> {
    if (this.#keyPackage === undefined) throw new Error("nobody was asked to add this one");
    const { keyPackage, privateKeys } = this.#keyPackage;
    this.group = await joinFromWelcome(welcome, keyPackage, privateKeys, this.#services.now);
  }

  async #take(message: Uint8Array): Promise<void> {
    const received = await this.group.receive(message);
    this.group = received.next;
    if (received.kind === "application") this.heard.push(Buffer.from(received.plaintext).toString());
    else this.removed = received.removedSelf;
  }
}
