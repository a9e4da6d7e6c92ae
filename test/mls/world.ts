// A handful of real clients and the server's public group, stepped together; every step checks that all agree.
import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { welcomeGroupKey, createGroup, externalJoin, joinFromWelcome } from "../../src/mls/client.ts";
import type { ClientGroup, CommitRequest } from "../../src/mls/client.ts";
import type { PendingCommit } from "../../src/mls/client-results.ts";
import { Fault } from "../../src/fault.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { encodePolicy } from "../../src/mls/policy.ts";
import { PublicGroup, type StagedCommit } from "../../src/mls/public-group.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { cipherSuite } from "../../src/mls/suite.ts";

export const now = Math.floor(Date.now() / 1000);
export const lifetime = { notBefore: now - 3600, notAfter: now + 86_400 * 28 };
export const identity = (): { pseudonym: Uint8Array; handle: Uint8Array } => ({
  pseudonym: randomBytes(16),
  handle: randomBytes(88),
});
export const newKeyPackage = () => makeKeyPackage({ ...identity(), ...lifetime });

/** The house's key for proposals; the seed in the form of RFC 8410. */
const house = await cipherSuite.signature.keygen();
const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), house.signKey.subarray(0, 32)]);
const houseKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
export const senderKey = house.publicKey;
export const signAsHouse = (signature: Uint8Array, message: Uint8Array): void =>
  signature.set(sign(null, message, houseKey));

type Policy = Parameters<typeof createGroup>[0]["policy"];
export interface Step {
  joiners?: number;
  remove?: ClientGroup[];
  handle?: Uint8Array;
  policy?: NonNullable<CommitRequest["policy"]>;
}

/** A refusal with a code of this area. */
export const isGroupFault = (error: unknown): boolean => error instanceof Fault && error.code.startsWith("group/");

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** The entries of a recovery list, by leaf index. */
function sealedIn(list: Uint8Array): Map<number, Uint8Array> {
  const sealed = new Map<number, Uint8Array>();
  for (let at = 0; at < list.length; at += 82) {
    sealed.set(buffer(list).readUInt16BE(at), list.subarray(at + 2, at + 82));
  }
  return sealed;
}

export class World {
  clients: ClientGroup[] = [];
  /** Members that get nothing, as they were when that began. */
  absent: ClientGroup[] = [];
  server: PublicGroup;
  joins = 0;
  /** For each epoch that ended: the key behind it, where nobody was removed, or what was sealed for each leaf. */
  readonly #ladder = new Map<number, { key: Uint8Array | undefined; sealed: Map<number, Uint8Array> }>();

  private constructor(creator: ClientGroup, server: PublicGroup) {
    this.clients = [creator];
    this.server = server;
  }

  static async create(policy?: NonNullable<Policy>): Promise<World> {
    const creator = await createGroup({
      groupId: randomBytes(16),
      ...identity(),
      senderKey,
      now,
      ...(policy === undefined ? {} : { policy }),
    });
    return new World(creator, PublicGroup.create(await creator.groupInfo(), senderKey, now));
  }

  /** The server takes its state through bytes after every step, as the delivery service does. */
  #adopt(next: PublicGroup): void {
    const bytes = Buffer.alloc(next.encodedLength);
    assert.equal(next.encodeInto(bytes), bytes.length);
    this.server = PublicGroup.decode(bytes);
  }

  /** What the delivery service gives out to whoever knows the group key. */
  get offer(): { groupInfo: Uint8Array; tree: Uint8Array } {
    return { groupInfo: this.server.groupInfo, tree: this.server.treeBytes };
  }

  /** The group's clients other than `by` take an accepted commit; those it removes are returned as it left them. */
  async #deliver(pending: PendingCommit, staged: StagedCommit, by: ClientGroup | undefined): Promise<ClientGroup[]> {
    const removed = staged.removed.map(({ leaf }) => leaf);
    const gone: ClientGroup[] = [];
    const clients: ClientGroup[] = [];
    for (const client of this.clients) {
      if (client === by) {
        pending.settle();
        clients.push(pending.next);
        continue;
      }
      const received = await client.receive(pending.commit);
      assert.ok(received.kind === "commit");
      assert.equal(received.removedSelf, removed.includes(client.ownLeaf));
      assert.equal(received.committer, staged.committer);
      assert.deepEqual(received.removed, removed);
      if (received.removedSelf) gone.push(client);
      else {
        received.settle();
        clients.push(received.next);
      }
    }
    if (by === undefined) {
      pending.settle();
      clients.push(pending.next);
    }
    assert.equal(pending.next.ownLeaf, staged.committer);
    this.clients = clients;
    this.absent = this.absent.filter(({ ownLeaf }) => !removed.includes(ownLeaf));
    const sealed = sealedIn(pending.recovery);
    this.#ladder.set(staged.next.epoch - 1, { key: removed.length > 0 ? undefined : pending.nextGroupKey, sealed });
    return gone;
  }

  /** One commit by `by`, delivered to everyone; returns the removed clients as the commit left them. */
  async step(by: ClientGroup, { joiners = 0, remove = [], ...rest }: Step = {}): Promise<ClientGroup[]> {
    const packages = await Promise.all(Array.from({ length: joiners }, newKeyPackage));
    const taken = this.server.pending.map(({ leaf }) => leaf);
    const pending = await by.commit({
      add: packages.map((p) => p.keyPackage),
      remove: remove.map((c) => c.ownLeaf),
      now,
      ...rest,
    });
    const { commit, groupInfo, welcome, recovery, nextGroupKey } = pending;
    const staged = this.server.validateCommit({ commit, groupInfo, welcome, recovery, now });
    assert.deepEqual(
      staged.removed.map(({ leaf }) => leaf).toSorted((a, b) => a - b),
      [...new Set([...remove.map((c) => c.ownLeaf), ...taken])].toSorted((a, b) => a - b),
    );
    await this.#openRecovery(recovery, by, staged, nextGroupKey);
    const gone = await this.#deliver(pending, staged, by);
    this.#adopt(staged.next);
    for (const [i, { keyPackage, privateKeys }] of packages.entries()) {
      assert.ok(welcome);
      this.joins++;
      const { groupKey, epoch } = await welcomeGroupKey(welcome, keyPackage, privateKeys);
      assert.equal(epoch, this.server.epoch);
      assert.deepEqual(buffer(groupKey), buffer(nextGroupKey));
      const joined = await joinFromWelcome(welcome, keyPackage, privateKeys, this.server.treeBytes, senderKey);
      assert.equal(joined.ownLeaf, staged.added[i]);
      this.clients.push(joined);
    }
    await this.check();
    assert.deepEqual(buffer(await pending.next.groupKey()), buffer(nextGroupKey));
    return gone;
  }

  /** `step` with places for its commonest wishes. */
  commit(by: ClientGroup, joiners = 0, remove: ClientGroup[] = [], handle?: Uint8Array): Promise<ClientGroup[]> {
    return this.step(by, { joiners, remove, ...(handle === undefined ? {} : { handle }) });
  }

  // whoever stays opens its own entry, and nobody who goes has one
  async #openRecovery(list: Uint8Array, by: ClientGroup, { removed }: StagedCommit, key: Uint8Array): Promise<void> {
    const sealed = sealedIn(list);
    for (const client of [...this.clients, ...this.absent]) {
      const entry = sealed.get(client.ownLeaf);
      const stays = client !== by && removed.every(({ leaf }) => leaf !== client.ownLeaf);
      assert.equal(entry !== undefined, stays && removed.length > 0);
      if (entry === undefined) continue;
      assert.deepEqual(buffer(await client.openRecovery(this.server.epoch, entry)), buffer(key));
    }
  }

  /** The group key of now for one who knows no more than that of its own epoch: rung by rung. */
  async climb(client: ClientGroup): Promise<Uint8Array> {
    let key = await client.groupKey();
    for (let epoch = client.epoch; epoch < this.server.epoch; epoch++) {
      const rung = this.#ladder.get(epoch);
      assert.ok(rung);
      const sealed = rung.sealed.get(client.ownLeaf);
      assert.ok(rung.key !== undefined || sealed !== undefined);
      key = rung.key ?? (await client.openRecovery(epoch, sealed!));
    }
    return key;
  }

  /** From now on `client` gets nothing. */
  silence(client: ClientGroup): void {
    this.clients = this.clients.filter((other) => other !== client);
    this.absent.push(client);
  }

  async #propose(proposal: Uint8Array, leaf: number, byServer: boolean): Promise<void> {
    this.clients = await Promise.all(
      this.clients.map(async (client) => {
        const received = await client.receive(proposal);
        assert.ok(received.kind === "proposal");
        assert.deepEqual([received.leaf, received.byServer], [leaf, byServer]);
        return received.next;
      }),
    );
  }

  /** `client` asks to leave; everybody knows. */
  async leave(client: ClientGroup): Promise<void> {
    const { proposal } = await client.leave();
    const leaf = client.ownLeaf;
    this.#adopt(this.server.validateLeave(proposal, leaf).next);
    await this.#propose(proposal, leaf, false);
  }

  /** The house proposes to remove the member at `leaf`; everybody knows. */
  async evict(leaf: number): Promise<void> {
    const { next, proposal } = this.server.proposeRemoval(leaf, signAsHouse);
    this.#adopt(next);
    await this.#propose(proposal, leaf, true);
  }

  /** Whether the current GroupInfo is by somebody whom `client` knew when it lost step: else it waits for the next one. */
  knowsSigner(client: ClientGroup): boolean {
    const signer = this.server.leaf(this.server.lastCommitter ?? 0)!;
    return client
      .members()
      .some(({ signaturePublicKey }) => buffer(signaturePublicKey).equals(signer.signaturePublicKey));
  }

  /** `client`, whatever it knows, comes back into step; the house proposes again what lapses. */
  async resync(client: ClientGroup, handle?: Uint8Array): Promise<ClientGroup> {
    const { signaturePublicKey } = client.members().find(({ leafIndex }) => leafIndex === client.ownLeaf)!;
    const leaf = this.server.leafOf(signaturePublicKey);
    assert.ok(leaf !== undefined);
    if (this.clients[0] !== undefined) {
      assert.deepEqual(buffer(await this.climb(client)), buffer(await this.clients[0].groupKey()));
    }
    const pending = await client.resync({ ...this.offer, now, ...(handle === undefined ? {} : { handle }) });
    const { commit, groupInfo } = pending;
    const staged = this.server.validateResync({ commit, groupInfo, leaf, now });
    const others = this.clients.filter((other) => other.ownLeaf !== leaf);
    const [witness] = others;
    if (witness !== undefined) {
      const seen = await witness.receive(commit);
      assert.ok(seen.kind === "commit");
      assert.deepEqual([seen.resynced, seen.committer, seen.added], [leaf, staged.committer, []]);
    }
    this.clients = others;
    this.absent = this.absent.filter((other) => other !== client);
    await this.#deliver(pending, staged, undefined);
    this.#adopt(staged.next);
    await this.check();
    for (const lapsed of staged.lapsed) await this.evict(lapsed);
    return pending.next;
  }

  /** The second member of a connection comes in. */
  async join(): Promise<void> {
    const pending = await externalJoin({ ...this.offer, ...identity(), senderKey, now });
    const { commit, groupInfo } = pending;
    const staged = this.server.validateJoin({ commit, groupInfo, now });
    await this.#deliver(pending, staged, undefined);
    this.#adopt(staged.next);
    await this.check();
  }

  /** Tree hash, transcript, members, policy and secrets are the same everywhere. */
  async check(): Promise<void> {
    const first = this.clients[0];
    assert.ok(first);
    const key = buffer(await first.groupKey());
    const members = first.members();
    for (const client of this.clients) {
      assert.equal(client.epoch, this.server.epoch);
      assert.deepEqual(buffer(await client.groupKey()), key);
      assert.deepEqual(buffer(client.epochAuthenticator), buffer(first.epochAuthenticator));
      assert.deepEqual(buffer(encodePolicy(client.policy)), buffer(encodePolicy(this.server.policy)));
    }
    assert.equal(this.server.memberCount, this.clients.length + this.absent.length);
    assert.equal(members.length, this.server.memberCount);
    for (const m of members) {
      const leaf = this.server.leaf(m.leafIndex);
      assert.ok(leaf);
      assert.deepEqual(buffer(leaf.handle), buffer(m.handle));
      assert.deepEqual(buffer(leaf.pseudonym), buffer(m.pseudonym));
      assert.deepEqual(buffer(leaf.signaturePublicKey), buffer(m.signaturePublicKey));
    }
    // a member's own GroupInfo with its tree must import to the same state
    const imported = PublicGroup.fromGroupInfo(await first.groupInfo(), senderKey, now);
    assert.deepEqual(buffer(imported.treeHash), buffer(this.server.treeHash));
    assert.deepEqual(buffer(imported.confirmedTranscriptHash), buffer(this.server.confirmedTranscriptHash));
  }

  /** `from` says something; everyone else must read it. */
  async say(from: ClientGroup, text: Uint8Array): Promise<Uint8Array> {
    const sent = await from.send(text);
    sent.settle();
    this.clients = await Promise.all(
      this.clients.map(async (client) => {
        if (client === from) return sent.next;
        const received = await client.receive(sent.privateMessage);
        assert.ok(received.kind === "application");
        assert.deepEqual(buffer(received.plaintext), buffer(text));
        assert.equal(received.sender, from.ownLeaf);
        return received.next;
      }),
    );
    return sent.privateMessage;
  }
}
