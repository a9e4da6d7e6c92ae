// A handful of real clients and the server's public group, stepped together; every step checks that all agree.
import assert from "node:assert/strict";
import { type ClientGroup, createGroup, joinFromWelcome } from "../../src/mls/client.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { randomBytes } from "../../src/crypto/random.ts";

export const now = Math.floor(Date.now() / 1000);
export const lifetime = { notBefore: now - 3600, notAfter: now + 86_400 * 28 };
export const identity = (): { pseudonym: Uint8Array; handle: Uint8Array } => ({
  pseudonym: randomBytes(16),
  handle: randomBytes(88),
});
export const newKeyPackage = () => makeKeyPackage({ ...identity(), ...lifetime });

export class World {
  clients: ClientGroup[] = [];
  server: PublicGroup;
  joins = 0;

  private constructor(creator: ClientGroup, server: PublicGroup) {
    this.clients = [creator];
    this.server = server;
  }

  static async create(): Promise<World> {
    const creator = await createGroup({ groupId: randomBytes(16), ...identity(), now });
    return new World(creator, PublicGroup.create(await creator.groupInfo(), now));
  }

  /** The server takes its state through bytes after every step, as the delivery service does. */
  #adopt(next: PublicGroup): void {
    const bytes = Buffer.alloc(next.encodedLength);
    assert.equal(next.encodeInto(bytes), bytes.length);
    this.server = PublicGroup.decode(bytes);
  }

  /** One commit by `by`, delivered to everyone; returns the removed clients as the commit left them. */
  async commit(by: ClientGroup, joiners = 0, remove: ClientGroup[] = [], handle?: Uint8Array): Promise<ClientGroup[]> {
    const packages = await Promise.all(Array.from({ length: joiners }, newKeyPackage));
    const pending = await by.commit({
      add: packages.map((p) => p.keyPackage),
      remove: remove.map((c) => c.ownLeaf),
      now,
      ...(handle === undefined ? {} : { handle }),
    });
    const staged = this.server.validateCommit(pending.commit, pending.groupInfo, pending.welcome, now);
    assert.equal(staged.committer, by.ownLeaf);
    assert.deepEqual(
      staged.removed,
      remove.map((c) => c.ownLeaf),
    );
    const gone: ClientGroup[] = [];
    const clients: ClientGroup[] = [];
    for (const client of this.clients) {
      if (client === by) {
        pending.settle();
        clients.push(pending.next);
        continue;
      }
      const received = await client.receive(pending.commit);
      assert.equal(received.kind, "commit");
      if (received.kind !== "commit") continue;
      assert.equal(received.removedSelf, remove.includes(client));
      assert.equal(received.committer, by.ownLeaf);
      if (received.removedSelf) gone.push(client);
      else {
        assert.deepEqual(received.added, staged.added);
        received.settle();
        clients.push(received.next);
      }
    }
    for (const [i, p] of packages.entries()) {
      assert.ok(pending.welcome);
      this.joins++;
      const joined = await joinFromWelcome(pending.welcome, p.keyPackage, p.privateKeys, now);
      assert.equal(joined.ownLeaf, staged.added[i]);
      clients.push(joined);
    }
    this.#adopt(staged.next);
    this.clients = clients;
    await this.check();
    assert.deepEqual(Buffer.from(await pending.next.groupKey()), Buffer.from(pending.nextGroupKey));
    return gone;
  }

  /** Tree hash, transcript, members and secrets are the same everywhere. */
  async check(): Promise<void> {
    const first = this.clients[0];
    assert.ok(first);
    const key = Buffer.from(await first.groupKey());
    const members = first.members();
    for (const client of this.clients) {
      assert.equal(client.epoch, this.server.epoch);
      assert.deepEqual(Buffer.from(await client.groupKey()), key);
      assert.deepEqual(Buffer.from(client.epochAuthenticator), Buffer.from(first.epochAuthenticator));
    }
    assert.equal(this.server.memberCount, this.clients.length);
    assert.equal(members.length, this.clients.length);
    for (const m of members) {
      const leaf = this.server.leaf(m.leafIndex);
      assert.ok(leaf);
      assert.deepEqual(Buffer.from(leaf.handle), Buffer.from(m.handle));
      assert.deepEqual(Buffer.from(leaf.pseudonym), Buffer.from(m.pseudonym));
      assert.deepEqual(Buffer.from(leaf.signaturePublicKey), Buffer.from(m.signaturePublicKey));
    }
    // a member's own GroupInfo with its tree must import to the same state
    const imported = PublicGroup.fromGroupInfo(await first.groupInfo(), now);
    assert.deepEqual(Buffer.from(imported.treeHash), Buffer.from(this.server.treeHash));
    assert.deepEqual(Buffer.from(imported.confirmedTranscriptHash), Buffer.from(this.server.confirmedTranscriptHash));
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
        assert.deepEqual(Buffer.from(received.plaintext), Buffer.from(text));
        assert.equal(received.sender, from.ownLeaf);
        return received.next;
      }),
    );
    return sent.privateMessage;
  }
}
