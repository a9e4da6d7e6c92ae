// The server's public group follows real clients through everything a group does.
import assert from "node:assert/strict";
import type { Node } from "ts-mls";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { randomBytes } from "../../src/crypto/random.ts";
import type { ClientGroup } from "../../src/mls/client.ts";
import { readGroupInfo, readRatchetTree, writeMessage } from "../../src/mls/messages.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { monthOf } from "../../src/mls/public-state.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { identity, now, senderKey, signAsHouse, World } from "./world.ts";

const open = { membersMayAdd: true, connection: false };
const stateOf = (group: PublicGroup): Buffer => {
  const bytes = Buffer.alloc(group.encodedLength);
  group.encodeInto(bytes);
  return bytes;
};
const pseudonyms = (world: World, ...clients: ClientGroup[]): Buffer[] =>
  clients
    .map((client) => Buffer.from(world.server.leaf(client.ownLeaf)!.pseudonym))
    .toSorted((a, b) => Buffer.compare(a, b));
const adminsOf = (world: World): Buffer[] => world.server.policy.admins.map((admin) => Buffer.from(admin));

describe("public group", () => {
  it("agrees with every client through create, add, update, remove and add again", async () => {
    const world = await World.create();
    await world.check();
    await world.commit(world.clients[0]!, 1);
    await world.commit(world.clients[0]!, 3);
    for (let i = 0; i < world.clients.length; i++) await world.commit(world.clients[i]!);
    for (let i = 0; i < world.clients.length; i++) await world.say(world.clients[i]!, Buffer.from("hello"));
    await world.commit(world.clients[0]!, 0, [world.clients[1]!]);
    await world.commit(world.clients[0]!, 2, [world.clients[3]!]);
    await world.commit(world.clients[1]!);
  });

  it("a leave waits for the next commit of another, by whoever it is", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 3);
    const [admin, second, third] = world.clients;
    const leaver = world.clients[3]!.ownLeaf;
    await world.leave(world.clients[3]!);
    assert.deepEqual(
      world.server.pending.map(({ leaf }) => leaf),
      [leaver],
    );
    const gone = await world.commit(world.clients[1]!);
    assert.equal(gone.length, 1);
    assert.equal(world.server.pending.length, 0);
    assert.equal(world.server.leaf(leaver), undefined);
    assert.equal(world.server.lastCommitter, second!.ownLeaf);
    assert.deepEqual(adminsOf(world), pseudonyms(world, admin!));
    assert.equal(third!.ownLeaf, 2);
  });

  it("the last admin leaves: the next member commits it and follows", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 3);
    const heir = world.clients[1]!;
    await world.leave(world.clients[0]!);
    await world.commit(world.clients[3]!);
    assert.deepEqual(adminsOf(world), pseudonyms(world, heir));
    // and may do what an admin may
    const [first, second] = world.clients;
    assert.equal(first!.ownLeaf, heir.ownLeaf);
    await world.commit(first!, 1, [second!]);
  });

  it("the house proposes removals, several at a time and together with a leave; an admin adds in the same commit", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 5);
    await world.evict(2);
    await world.leave(world.clients[4]!);
    await world.evict(5);
    const gone = await world.commit(world.clients[0]!, 2, [world.clients[1]!]);
    assert.deepEqual(
      gone.map((client) => client.ownLeaf),
      [1, 2, 4, 5],
    );
    await world.say(world.clients[1]!, Buffer.from("left"));
  });

  it("members add where the policy allows it; an admin changes policy and roles", async () => {
    const world = await World.create(open);
    await world.commit(world.clients[0]!, 1);
    await world.commit(world.clients[1]!, 2);
    const [first, second] = world.clients;
    await world.step(first!, { policy: { membersMayAdd: false, admins: pseudonyms(world, first!, second!) } });
    assert.equal(world.server.policy.membersMayAdd, false);
    assert.deepEqual(adminsOf(world), pseudonyms(world, world.clients[0]!, world.clients[1]!));
    await world.commit(world.clients[1]!, 1, [world.clients[2]!]);
    await assert.rejects(world.commit(world.clients[3]!, 1), { code: "group/policy" });
  });

  it("a resync keeps place in the policy, evicts nobody, and lets pending removals lapse", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 4);
    const stuck = world.clients[0]!;
    await world.evict(3);
    await world.commit(world.clients[1]!);
    await world.commit(world.clients[2]!);
    await world.evict(2);
    const resynced = await world.resync(stuck);
    assert.equal(world.server.memberCount, 4);
    assert.equal(world.server.lastCommitter, resynced.ownLeaf);
    assert.deepEqual(adminsOf(world), pseudonyms(world, resynced));
    assert.deepEqual(
      world.server.pending.map(({ leaf }) => leaf),
      [2],
    );
    await world.commit(
      world.clients.find((client) => client.ownLeaf === resynced.ownLeaf)!,
      1,
    );
    await world.resync(world.clients[1]!, identity().handle);
    for (const client of world.clients) assert.ok(client.active);
  });

  it("one whose removal is pending comes back by a resync, and the removal is over", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 2);
    await world.evict(1);
    await world.evict(2);
    const back = world.clients[1]!;
    const pending = await back.resync({ ...world.offer, now });
    const staged = world.server.validateResync({ commit: pending.commit, groupInfo: pending.groupInfo, leaf: 1, now });
    assert.deepEqual(staged.lapsed, [2]);
    assert.deepEqual(staged.removed, []);
    assert.equal(staged.former, 1);
  });

  it("a connection's second member comes in from outside, or by a Welcome", async () => {
    const world = await World.create({ membersMayAdd: false, connection: true });
    await world.join();
    assert.equal(world.server.memberCount, 2);
    await world.say(world.clients[1]!, Buffer.from("hello"));
    await world.commit(world.clients[1]!);
    await world.leave(world.clients[1]!);
    await world.commit(world.clients[0]!);
    await world.join();
    const other = await World.create({ membersMayAdd: false, connection: true });
    await other.commit(other.clients[0]!, 1);
  });

  it("a handle and a month change without a commit, and live through commits", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 4);
    const state = stateOf(world.server);
    const handle = identity().handle;
    const later = now + 100 * 86_400;
    const changed = PublicGroup.decode(stateOf(world.server.withHandle(2, handle).withMonth(3, 7)));
    assert.deepEqual(Buffer.from(changed.leaf(2)!.handle), Buffer.from(handle));
    assert.equal(changed.leaf(3)!.month, 7);
    assert.equal(changed.leaf(1)!.month, monthOf(now));
    assert.deepEqual(changed.epoch, world.server.epoch);
    assert.deepEqual(stateOf(world.server), state);
    assert.throws(() => world.server.withHandle(7, handle), { code: "group/invalid" });
    assert.throws(() => world.server.withHandle(1, randomBytes(87)), { code: "group/policy" });

    const commitBy = async (i: number, own?: Uint8Array): Promise<PublicGroup> => {
      const made = await world.clients[i]!.commit({ now, ...(own === undefined ? {} : { handle: own }) });
      const staged = changed.validateCommit({ ...made, now: later });
      return PublicGroup.decode(stateOf(staged.next));
    };
    const after = await commitBy(2);
    assert.deepEqual(Buffer.from(after.leaf(2)!.handle), Buffer.from(handle));
    assert.equal(after.leaf(2)!.month, monthOf(later));
    assert.equal(after.leaf(3)!.month, 7);
    const newer = identity().handle;
    assert.deepEqual(Buffer.from((await commitBy(2, newer)).leaf(2)!.handle), Buffer.from(newer));
    assert.deepEqual(Buffer.from((await commitBy(1)).leaf(2)!.handle), Buffer.from(handle));

    const resyncBy = async (own?: Uint8Array): Promise<Uint8Array> => {
      const offer = { groupInfo: changed.groupInfo, tree: changed.treeBytes };
      const made = await world.clients[2]!.resync({ ...offer, now, ...(own === undefined ? {} : { handle: own }) });
      const { next, committer } = changed.validateResync({ ...made, leaf: 2, now });
      return PublicGroup.decode(stateOf(next)).leaf(committer)!.handle;
    };
    assert.deepEqual(Buffer.from(await resyncBy()), Buffer.from(handle));
    assert.deepEqual(Buffer.from(await resyncBy(newer)), Buffer.from(newer));
  });

  it("a handle of the house's list stays with a member that comes back in another place", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 3);
    await world.commit(world.clients[0]!, 0, [world.clients[1]!]);
    const handle = identity().handle;
    const changed = world.server.withHandle(3, handle);
    const client = world.clients.find(({ ownLeaf }) => ownLeaf === 3)!;
    const made = await client.resync({ ...world.offer, now });
    const { next, committer, former } = changed.validateResync({ ...made, leaf: 3, now });
    assert.deepEqual([former, committer], [3, 1]);
    assert.deepEqual(Buffer.from(next.leaf(1)!.handle), Buffer.from(handle));
    assert.equal(next.leaf(3), undefined);
    assert.equal(next.memberCount, 3);
  });

  it("shows what a joiner needs: GroupInfo, tree, pending proposals, members by key", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 2);
    assert.equal(world.server.treeBytes.length, world.server.treeLength);
    assert.equal(PublicTree.from(readRatchetTree(world.server.treeBytes)).memberCount, 3);
    const made = await world.clients[1]!.commit({ now });
    const { next } = world.server.validateCommit({ ...made, now });
    // the same whether staged or read from its state
    assert.deepEqual(Buffer.from(next.treeBytes), Buffer.from(PublicGroup.decode(stateOf(next)).treeBytes));
    assert.deepEqual(Buffer.from(next.groupInfo), Buffer.from(made.groupInfo));
    const { next: proposed, proposal } = world.server.proposeRemoval(2, signAsHouse);
    assert.deepEqual(
      PublicGroup.decode(stateOf(proposed)).pending.map(({ leaf, message }) => [leaf, Buffer.from(message)]),
      [[2, Buffer.from(proposal)]],
    );
    for (const [index, leaf] of world.server.entries()) {
      assert.equal(world.server.leafOf(leaf.signaturePublicKey), index);
    }
    assert.equal(world.server.leafOf(randomBytes(32)), undefined);
  });

  it("hashes no tree of a new group that is not its founder's leaf alone", async () => {
    const info = readGroupInfo(await (await World.create()).clients[0]!.groupInfo());
    const own = info.extensions.find((e) => e.extensionType === "ratchet_tree")!;
    const leaf: Node = readRatchetTree(own.extensionData)[0]!;
    assert.ok(leaf.nodeType === "leaf");
    const withLeaves = (count: number, between = 1): Uint8Array => {
      const nodes = Array.from({ length: (count - 1) * (between + 1) + 1 }, (_, i) =>
        i % (between + 1) === 0 ? leaf : undefined,
      );
      const changed = { ...own, extensionData: encode(ratchetTreeEncoder)(nodes) };
      const extensions = info.extensions.map((extension) => (extension === own ? changed : extension));
      return writeMessage({ wireformat: "mls_group_info", groupInfo: { ...info, extensions } });
    };
    const original = PublicTree.prototype.hash;
    let hashed = 0;
    PublicTree.prototype.hash = function (this: PublicTree, x: number) {
      hashed++;
      return original.call(this, x);
    };
    try {
      // two leaves, 32 leaves, and two leaves as far apart as a tree allows
      for (const bytes of [withLeaves(2), withLeaves(32), withLeaves(2, 511), withLeaves(2, 2045)])
        assert.throws(() => PublicGroup.create(bytes, senderKey, now), { code: "group/policy" });
      assert.equal(hashed, 0);
      PublicGroup.create(withLeaves(1), senderKey, now); // control
      assert.ok(hashed > 0);
    } finally {
      PublicTree.prototype.hash = original;
    }
  });
});
