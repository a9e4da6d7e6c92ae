// A group's member: a real MLS client with a queue, whose requests go to the delivery service.
import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import type { Fault } from "../../../src/fault.ts";
import {
  createGroup,
  externalJoin,
  joinFromWelcome,
  welcomeGroupKey,
  type ClientGroup,
  type CommitRequest,
} from "../../../src/mls/client.ts";
import { makeKeyPackage, readPrivateKeys, type OwnKeyPackage } from "../../../src/mls/key-package.ts";
import { readKeyPackage, readRatchetTree } from "../../../src/mls/messages.ts";
import { PublicTree } from "../../../src/mls/public-tree.ts";
import { decode, type ValueOf } from "../../../src/wire/codec.ts";
import { itemKinds, itemPart, joinInfo, queueItem, resetNotice } from "../../../src/wire/documents.ts";
import type { RequestOf } from "../../../src/wire/operations.ts";
import { TestQueue } from "../queue/test-queue.ts";
import type { Services, Signer } from "../services.ts";

type Policy = { readonly membersMayAdd: boolean; readonly connection: boolean };
/** Everybody may add. */
const OPEN: Policy = { membersMayAdd: true, connection: false };
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
  /** Epochs of the resets it was told of. */
  readonly notices: number[] = [];
  /** Does not ask for the tree when its Welcome comes. */
  late = false;
  missedWelcome: Buffer | undefined;
  #services: Services;
  #group: ClientGroup | undefined;
  #keyPackage: OwnKeyPackage | undefined;
  #mine: Buffer[] = [];
  // What came before it had taken its Welcome.
  #before: Buffer[] = [];

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
  static async found(services: Services, policy?: Policy): Promise<TestMember> {
    const member = await TestMember.create(services);
    await services.ask("ds.create", await member.founding(undefined, policy));
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

  async founding(id?: Uint8Array, policy: Policy = OPEN): Promise<RequestOf<"ds.create">> {
    const groupId = id ?? (await this.#services.ask("ds.reserve", {})).groupId;
    const { handle } = this;
    const { now } = this.#services;
    const senderKey = this.#services.deliveryKey.publicKey;
    this.#group = await createGroup({ groupId, pseudonym: randomBytes(16), handle, senderKey, policy, now });
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
      recovery: pending.recovery,
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

  /** Takes what waits in the queue, as a client does; gives the kinds of what came. */
  async listen(): Promise<number[]> {
    const kinds: number[] = [];
    let parts: Buffer[] = [];
    for (const item of await this.#waiting()) {
      let { kind, message } = decode(queueItem, item);
      if (kind === itemKinds.part) {
        const { index, count, bytes } = decode(itemPart, message);
        assert.equal(index, parts.length);
        parts.push(Buffer.from(bytes));
        if (parts.length < count) continue;
        ({ kind, message } = decode(queueItem, Buffer.concat(parts)));
        parts = [];
      }
      kinds.push(kind);
      if (kind === itemKinds.welcome) await this.#join(message);
      else if (kind === itemKinds.reset) this.notices.push(decode(resetNotice, message).epoch);
      else if (this.#mine.some((mine) => mine.equals(message))) this.confirmed++;
      else if (kind === itemKinds.proposal) await this.#take(message).catch(isOver);
      else await this.#take(message);
    }
    return kinds;
  }

  // Acknowledged only as far as the next reading needs it.
  async #waiting(): Promise<Buffer[]> {
    const waiting: Buffer[] = [];
    for (let acknowledge = 0; ;) {
      const { items, more } = (await this.queue.ask(acknowledge)).reply;
      waiting.push(...this.queue.open(items));
      if (more === 0) return waiting;
      acknowledge = items.at(-1)!.sequence;
    }
  }

  /** As `listen`, for one that leaves out what came before the notice of a reset: it was undone. */
  async listenAfterReset(): Promise<void> {
    const { reply } = await this.queue.ask();
    const items = this.queue.open(reply.items).map((item) => decode(queueItem, item));
    const notice = items.findLastIndex(({ kind }) => kind === itemKinds.reset);
    for (const { message } of items.slice(notice + 1)) await this.#take(message);
  }

  /** What a newcomer asks the tree with, and what signs that. */
  async welcomed(welcome: Uint8Array) {
    if (this.#keyPackage === undefined) throw new Error("nobody was asked to add this one");
    const { keyPackage, privateKeys } = this.#keyPackage;
    const { groupId, groupKey } = await welcomeGroupKey(welcome, keyPackage, privateKeys);
    const leafKey = readKeyPackage(keyPackage).leafNode.signaturePublicKey;
    const secretKey = Buffer.from(readPrivateKeys(privateKeys).signaturePrivateKey);
    return { request: { groupId, groupKey, leafKey }, signer: { publicKey: Buffer.from(leafKey), secretKey } };
  }

  async #join(welcome: Uint8Array): Promise<void> {
    const { request, signer } = await this.welcomed(welcome);
    if (this.late) {
      this.missedWelcome = Buffer.from(welcome);
      return;
    }
    await this.joinBy(
      welcome,
      await wholeOf((offset) => this.#services.ask("ds.welcomeInfo", { ...request, offset }, signer)),
    );
  }

  async joinBy(welcome: Uint8Array, tree: Uint8Array): Promise<void> {
    const { keyPackage, privateKeys } = this.#keyPackage!;
    const { deliveryKey } = this.#services;
    this.group = await joinFromWelcome(welcome, keyPackage, privateKeys, tree, deliveryKey.publicKey);
    for (const message of this.#before.splice(0)) await this.#take(message);
  }

  async #take(message: Uint8Array): Promise<void> {
    if (this.#group === undefined) {
      this.#before.push(Buffer.from(message));
      return;
    }
    const received = await this.group.receive(message);
    this.group = received.next;
    if (received.kind === "application") this.heard.push(Buffer.from(received.plaintext).toString());
    else if (received.kind === "commit") this.removed = received.removedSelf;
  }

  /** What an external commit is made from, by a group's key. */
  async joinInfo(groupId: Uint8Array, groupKey: Uint8Array): Promise<ValueOf<typeof joinInfo>> {
    return decode(
      joinInfo,
      await wholeOf((offset) => this.#services.ask("ds.joinInfo", { groupId, groupKey, offset })),
    );
  }

  /** Takes in what is pending at the house. */
  async catchUp(): Promise<void> {
    const { proposals } = await this.joinInfo(this.groupId, await this.group.groupKey());
    for (const proposal of proposals) this.group = await this.group.takeProposal(proposal);
  }

  /** The own pending removal, not yet asked. */
  async leaving(): Promise<RequestOf<"ds.leave">> {
    const { group } = this;
    const { proposal } = await group.leave();
    return { groupId: group.groupId, groupKey: await group.groupKey(), leaf: group.ownLeaf, proposal };
  }

  /** A resync with a key of the current epoch, not yet asked. */
  async resyncing(groupKey: Uint8Array, change: { handle?: Uint8Array; afterReset?: boolean } = {}) {
    const { groupId } = this;
    const { groupInfo, tree } = await this.joinInfo(groupId, groupKey);
    const { now } = this.#services;
    const pending = await this.group.resync({ groupInfo, tree, now, ...change });
    const members = PublicTree.from(readRatchetTree(tree));
    const own = this.group.members().find(({ leafIndex }) => leafIndex === this.group.ownLeaf)!;
    const leaf = members.leafOf(own.pseudonym)!;
    const { nextGroupKey, commit, groupInfo: next } = pending;
    this.#mine.push(Buffer.from(commit));
    return { request: { groupId, groupKey, nextGroupKey, leaf, commit, groupInfo: next }, pending };
  }

  async resync(groupKey: Uint8Array, change: { handle?: Uint8Array; afterReset?: boolean } = {}): Promise<void> {
    const { request, pending } = await this.resyncing(groupKey, change);
    await this.#services.ask("ds.resync", request, this.group);
    this.group = pending.next;
  }

  /** Comes into a connection by a key that its founder told, not yet asked. */
  async entering(groupId: Uint8Array, groupKey: Uint8Array) {
    const { groupInfo, tree } = await this.joinInfo(groupId, groupKey);
    const { now, deliveryKey } = this.#services;
    const { handle } = this;
    const own = { pseudonym: randomBytes(16), handle, senderKey: deliveryKey.publicKey };
    const pending = await externalJoin({ groupInfo, tree, ...own, now });
    const { nextGroupKey, commit, groupInfo: next } = pending;
    this.#mine.push(Buffer.from(commit));
    return { request: { groupId, groupKey, nextGroupKey, commit, groupInfo: next }, pending };
  }

  /** From one epoch's key to the next one's, as a member that lost track walks. */
  async step(groupKey: Uint8Array, epoch: number): Promise<Uint8Array> {
    const { groupId, ownLeaf: leaf } = this.group;
    const { kind, value } = await this.#services.ask("ds.recover", { groupId, groupKey, leaf });
    return kind === 1 ? value : this.group.openRecovery(epoch, value);
  }
}

/** A proposal that its epoch's end has overtaken is nothing any more. */
const isOver = (error: unknown): void => assert.equal((error as Fault).code, "group/epoch");

/** A document that comes in pieces. */
export async function wholeOf(ask: (offset: number) => Promise<{ total: number; chunk: Uint8Array }>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let length = 0; ;) {
    const { total, chunk } = await ask(length);
    chunks.push(chunk);
    length += chunk.length;
    if (length >= total) return Buffer.concat(chunks);
    assert.ok(chunk.length > 0);
  }
}
