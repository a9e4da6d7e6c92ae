// One's own commits: roles, what is taken in, what follows by force.
import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { ClientGroup, createGroup } from "../../src/mls/client.ts";
import { includes } from "../../src/mls/policy.ts";
import { identity, newKeyPackage, now, senderKey, World } from "./world.ts";

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const pseudonymOf = (client: ClientGroup): Uint8Array =>
  client.members().find(({ leafIndex }) => leafIndex === client.ownLeaf)!.pseudonym;
const isAdmin = (world: World, client: ClientGroup): boolean =>
  includes(world.server.policy.admins, pseudonymOf(client));

/** `clients[0]` is the admin of `n` members. */
async function worldOf(n: number): Promise<World> {
  const world = await World.create();
  await world.step(world.clients[0]!, { joiners: n - 1 });
  return world;
}

describe("commits of a client", function () {
  this.timeout(20_000);

  it("begin with one admin and the policy asked for", async () => {
    const request = { groupId: randomBytes(16), ...identity(), senderKey, now };
    const plain = await createGroup(request);
    assert.deepEqual(
      { ...plain.policy, admins: plain.policy.admins.map(buffer) },
      { membersMayAdd: false, connection: false, admins: [buffer(request.pseudonym)] },
    );
    assert.equal(plain.isAdmin(0), true);
    assert.equal(plain.isAdmin(1), false);
    const open = await createGroup({ ...request, policy: { membersMayAdd: true, connection: true } });
    assert.deepEqual([open.policy.membersMayAdd, open.policy.connection], [true, true]);
    await assert.rejects(createGroup({ ...request, senderKey: randomBytes(31) }), { code: "group/invalid" });
  });

  it("add only where the policy lets them", async () => {
    const world = await worldOf(3);
    const { keyPackage } = await newKeyPackage();
    await assert.rejects(world.clients[1]!.commit({ add: [keyPackage], now }), { code: "group/policy" });
    await world.step(world.clients[0]!, { policy: { membersMayAdd: true } });
    await world.step(world.clients[1]!, { joiners: 1 });
    await world.step(world.clients[0]!, { policy: { membersMayAdd: false } });
    await assert.rejects(world.clients[1]!.commit({ add: [keyPackage], now }), { code: "group/policy" });
  });

  it("remove and change roles only as an admin, who may make others admins", async () => {
    const world = await worldOf(4);
    const [alice, bob] = world.clients;
    await assert.rejects(bob!.commit({ remove: [2], now }), { code: "group/policy" });
    await assert.rejects(bob!.commit({ policy: { membersMayAdd: true }, now }), { code: "group/policy" });
    const both = [pseudonymOf(alice!), pseudonymOf(bob!)];
    await assert.rejects(bob!.commit({ policy: { admins: both }, now }), { code: "group/policy" });
    await assert.rejects(alice!.commit({ policy: { admins: [] }, now }), { code: "group/policy" });
    await assert.rejects(alice!.commit({ policy: { admins: [randomBytes(16)] }, now }), { code: "group/policy" });
    await assert.rejects(alice!.commit({ remove: [0], now }), { code: "group/invalid" });
    await assert.rejects(alice!.commit({ remove: [7], now }), { code: "group/invalid" });
    await assert.rejects(alice!.commit({ remove: [2, 2], now }), { code: "group/invalid" });
    await assert.rejects(alice!.commit({ remove: [0.5], now }), { code: "group/invalid" });
    await world.step(alice!, { policy: { admins: both } });
    assert.equal(world.clients[2]!.isAdmin(1), true);
    // the new admin removes the old one: the list follows by itself
    await world.step(world.clients[1]!, { remove: [world.clients[0]!] });
    assert.deepEqual(world.server.policy.admins.map(buffer), [buffer(pseudonymOf(bob!))]);
  });

  it("take in all that is pending, and nobody has to name it", async () => {
    const world = await worldOf(6);
    await world.leave(world.clients[3]!);
    await world.evict(4);
    const before = world.clients[1]!;
    assert.deepEqual(
      before.pending.map(({ leaf }) => leaf),
      [3, 4],
    );
    // naming one that goes anyway does no harm, and a stored group still knows what is pending
    world.clients[0] = ClientGroup.deserialize(world.clients[0]!.serialize());
    const gone = await world.step(world.clients[0], {
      remove: [world.clients[3]!, world.clients[2]!],
      joiners: 1,
    });
    assert.deepEqual(
      gone.map(({ ownLeaf }) => ownLeaf),
      [2, 3, 4],
    );
    assert.deepEqual(world.clients[1]!.pending, []);
  });

  it("are not for one who is about to go", async () => {
    const world = await worldOf(3);
    await world.leave(world.clients[1]!);
    await assert.rejects(world.clients[1]!.commit({ now }), { code: "group/policy" });
    await world.evict(0);
    await assert.rejects(world.clients[0]!.commit({ now }), { code: "group/policy" });
  });

  it("by any member pass the last admin's role on to the lowest leaf that stays", async () => {
    const world = await worldOf(4);
    await world.leave(world.clients[0]!);
    await world.step(world.clients[2]!);
    assert.equal(isAdmin(world, world.clients[0]!), true);
    assert.equal(world.clients[0]!.ownLeaf, 1);
    assert.equal(world.server.policy.admins.length, 1);
  });

  it("lead to a group key that the others can still learn after a removal, and the removed cannot", async () => {
    const world = await worldOf(4);
    const [alice, bob, carol, dan] = world.clients;
    const { recovery, nextGroupKey, next } = await alice!.commit({ remove: [2], now });
    assert.equal(recovery.length, 2 * 82);
    const entry = (i: number): Uint8Array => recovery.subarray(82 * i + 2, 82 * (i + 1));
    assert.deepEqual(
      [0, 1].map((i) => buffer(recovery).readUInt16BE(82 * i)),
      [1, 3],
    );
    assert.deepEqual(buffer(await bob!.openRecovery(bob!.epoch, entry(0))), buffer(nextGroupKey));
    assert.deepEqual(buffer(await dan!.openRecovery(dan!.epoch, entry(1))), buffer(nextGroupKey));
    // of another leaf, of another epoch, changed, cut
    await assert.rejects(carol!.openRecovery(1, entry(0)), { code: "group/invalid" });
    await assert.rejects(bob!.openRecovery(1, entry(1)), { code: "group/invalid" });
    await assert.rejects(bob!.openRecovery(2, entry(0)), { code: "group/invalid" });
    await assert.rejects(bob!.openRecovery(-1, entry(0)), { code: "group/invalid" });
    await assert.rejects(bob!.openRecovery(1, entry(0).subarray(1)), { code: "group/invalid" });
    const flipped = Uint8Array.from(entry(0));
    flipped[40]! ^= 1;
    await assert.rejects(bob!.openRecovery(1, flipped), { code: "group/invalid" });
    // one who stands still opens a later rung too: its leaf key is the same
    const later = await next.commit({ remove: [3], now });
    const bobsLater = later.recovery.subarray(2, 82);
    assert.deepEqual(buffer(await bob!.openRecovery(2, bobsLater)), buffer(later.nextGroupKey));
    // without a removal there is nothing to seal
    assert.equal((await alice!.commit({ now })).recovery.length, 0);
  });

  it("let one member get messages of its own: the others see a gap, up to a bound", async () => {
    const world = await worldOf(3);
    const [alice, bob, carol] = world.clients;
    let [sender, reader] = [alice!, bob!];
    for (let i = 0; i < 512; i++) {
      const sent = await sender.send(Buffer.from("to bob"));
      const got = await reader.receive(sent.privateMessage);
      assert.ok(got.kind === "application");
      [sender, reader] = [sent.next, got.next];
    }
    const sent = await sender.send(Buffer.from("to all"));
    for (const client of [reader, carol!]) {
      const got = await client.receive(sent.privateMessage);
      assert.ok(got.kind === "application" && buffer(got.plaintext).toString() === "to all");
    }
    const later = await sent.next.send(Buffer.from("too far for who missed them all"));
    await assert.rejects(carol!.receive(later.privateMessage), { code: "group/invalid" });
    // the next epoch begins at nought
    const { commit, next } = await later.next.commit({ now });
    const renewed = await carol!.receive(commit);
    const fresh = await next.send(Buffer.from("again"));
    assert.equal((await renewed.next.receive(fresh.privateMessage)).kind, "application");
  });
});
