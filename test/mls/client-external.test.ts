// Coming back into step and joining a connection: what works, and what neither side lets happen.
import assert from "node:assert/strict";
import { joinGroupExternal, type ClientState, type RatchetTree } from "ts-mls";
import { varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { signGroupInfo } from "ts-mls/groupInfo.js";
import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { ClientGroup, externalJoin } from "../../src/mls/client.ts";
import { clientConfig } from "../../src/mls/config.ts";
import { generateKeyPackage, type SignatureKeys } from "../../src/mls/key-package.ts";
import { readGroupInfo, readRatchetTree, writeMessage } from "../../src/mls/messages.ts";
import { contextExtensions } from "../../src/mls/policy.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { cipherSuite } from "../../src/mls/suite.ts";
import { rawState, resigned } from "./raw.ts";
import { identity, isGroupFault, lifetime, now, senderKey, World } from "./world.ts";

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const memberAt = (client: ClientGroup, leaf: number) => client.members().find(({ leafIndex }) => leafIndex === leaf)!;
const signatureKeysOf = (client: ClientGroup): SignatureKeys => {
  const { signaturePrivateKey } = rawState(client);
  return { signKey: signaturePrivateKey, publicKey: memberAt(client, client.ownLeaf).signaturePublicKey };
};

/** What the bare library makes of an external commit under any name. */
async function enter(
  offer: World["offer"],
  who: { pseudonym: Uint8Array; handle: Uint8Array },
  keys: SignatureKeys,
  resync: boolean,
): Promise<{ commit: Uint8Array; state: ClientState; message: Awaited<ReturnType<typeof joinGroupExternal>> }> {
  const { publicPackage, privatePackage } = await generateKeyPackage({ ...who, ...lifetime }, keys);
  const info = readGroupInfo(offer.groupInfo);
  const tree = readRatchetTree(offer.tree);
  const made = await joinGroupExternal(info, publicPackage, privatePackage, resync, cipherSuite, tree, clientConfig);
  const { publicMessage } = made;
  const commit = writeMessage({ wireformat: "mls_public_message", publicMessage });
  return { commit, state: made.newState, message: made };
}

/**
 * A group of the same id that nobody but its maker is in: with a copy of the leaf of `victim`, as whoever saw the tree can
 * make it.
 */
async function forgedOffer(
  world: World,
  victim: ClientGroup,
  who: { pseudonym: Uint8Array; handle: Uint8Array },
  keys?: SignatureKeys,
): Promise<World["offer"]> {
  const { groupContext, confirmationTag } = readGroupInfo(world.offer.groupInfo);
  const signing = keys ?? (await cipherSuite.signature.keygen());
  const { publicPackage } = await generateKeyPackage({ ...who, ...lifetime }, signing);
  const copied = readRatchetTree(world.offer.tree)[2 * victim.ownLeaf];
  const at = victim.ownLeaf === 0 ? 1 : 0;
  const nodes: RatchetTree = [undefined, undefined, undefined];
  nodes[2 * victim.ownLeaf] = copied;
  nodes[2 * at] = { nodeType: "leaf", leaf: publicPackage.leafNode };
  const extensions = contextExtensions({ membersMayAdd: true, connection: false, admins: [who.pseudonym] }, senderKey);
  const context = {
    ...groupContext,
    epoch: groupContext.epoch + 3n,
    treeHash: PublicTree.from(nodes).treeHash(),
    confirmedTranscriptHash: randomBytes(32),
    extensions,
  };
  const external = await cipherSuite.hpke.generateKeyPair();
  const externalPub = await cipherSuite.hpke.exportPublicKey(external.publicKey);
  const [length, write] = varLenDataEncoder(externalPub);
  const extensionData = new Uint8Array(length);
  write(0, extensionData.buffer);
  const tbs = {
    groupContext: context,
    extensions: [{ extensionType: "external_pub" as const, extensionData }],
    confirmationTag,
    signer: at,
  };
  const groupInfo = await signGroupInfo(tbs, signing.signKey, cipherSuite.signature);
  return { groupInfo: writeMessage({ wireformat: "mls_group_info", groupInfo }), tree: encodeRatchetTree(nodes) };
}

describe("resync of a client", function () {
  this.timeout(20_000);
  async function worldOf(n: number): Promise<World> {
    const world = await World.create();
    await world.step(world.clients[0]!, { joiners: n - 1 });
    return world;
  }

  it("keeps pseudonym, signature key and role, may change the handle, and needs nothing newer than the leaf key", async () => {
    const world = await worldOf(5);
    const [stuck, bob] = world.clients;
    const before = memberAt(stuck!, 0);
    world.silence(stuck!);
    await world.step(bob!, { handle: identity().handle });
    await world.leave(world.clients[2]!);
    await world.step(world.clients[0]!);
    const { handle } = identity();
    const next = await world.resync(stuck!, handle);
    const after = memberAt(next, next.ownLeaf);
    assert.deepEqual(buffer(after.pseudonym), buffer(before.pseudonym));
    assert.deepEqual(buffer(after.signaturePublicKey), buffer(before.signaturePublicKey));
    assert.deepEqual(buffer(after.handle), buffer(handle));
    assert.equal(next.isAdmin(next.ownLeaf), true);
    await world.step(next, { remove: [world.clients[0]!] });
  });

  it("drops what was pending; the own wish to leave with it", async () => {
    const world = await worldOf(5);
    await world.leave(world.clients[2]!);
    await world.evict(3);
    await world.resync(world.clients[2]!);
    // the house proposes the other one again
    assert.deepEqual(
      world.clients.map(({ pending }) => pending.map(({ leaf }) => leaf)),
      world.clients.map(() => [3]),
    );
  });

  it("tells another copy of the same client that it is out", async () => {
    const world = await worldOf(3);
    const twin = ClientGroup.deserialize(world.clients[1]!.serialize());
    const { commit } = await world.clients[1]!.resync({ ...world.offer, now });
    const got = await twin.receive(commit);
    assert.ok(got.kind === "commit" && got.removedSelf && !got.next.active);
    await assert.rejects(got.next.send(randomBytes(3)), { code: "group/invalid" });
    await assert.rejects(got.next.resync({ ...world.offer, now }), { code: "group/invalid" });
  });

  it("does not go back, unless the house said so, and never to members who were removed", async () => {
    const world = await worldOf(4);
    const { offer } = world;
    const early = { groupInfo: Uint8Array.from(offer.groupInfo), tree: Uint8Array.from(offer.tree) };
    await world.step(world.clients[1]!);
    const [client] = world.clients;
    await assert.rejects(client!.resync({ ...early, now }), { code: "group/policy" });
    const back = await client!.resync({ ...early, now, afterReset: true });
    assert.equal(back.next.epoch, 2);
    await world.step(client!, { remove: [world.clients[3]!] });
    await assert.rejects(world.clients[0]!.resync({ ...early, now, afterReset: true }), { code: "group/policy" });
    await world.clients[0]!.resync({ ...world.offer, now }); // control
  });

  it("refuses a group that the house made of copied leaves and one of its own", async () => {
    const world = await worldOf(3);
    const [alice, victim] = world.clients;
    const forged = await forgedOffer(world, victim!, identity());
    await assert.rejects(victim!.resync({ ...forged, now }), { code: "group/policy" });
    // Also where the leaf is of somebody who was removed.
    const former = world.clients[2]!;
    await world.step(alice!, { remove: [former] });
    const own = { pseudonym: memberAt(former, 2).pseudonym, handle: memberAt(former, 2).handle };
    const again = await forgedOffer(world, world.clients[0]!, own, signatureKeysOf(former));
    await assert.rejects(world.clients[0]!.resync({ ...again, now }), { code: "group/policy" });
    // Control: the very same, signed by somebody who is known.
    const known = memberAt(victim!, 2);
    const twice = { pseudonym: known.pseudonym, handle: known.handle };
    const inside = await forgedOffer(world, victim!, twice, signatureKeysOf(former));
    await victim!.resync({ ...inside, now });
  });

  it("takes no offer that a newcomer signed, but the next one of a member it knew", async () => {
    const world = await worldOf(3);
    const [alice, stuck] = world.clients;
    world.silence(stuck!);
    await world.step(alice!, { joiners: 1 });
    await world.step(world.clients.at(-1)!);
    await assert.rejects(stuck!.resync({ ...world.offer, now }), { code: "group/policy" });
    assert.ok(stuck!.isOfStranger({ ...world.offer, now }));
    // Whatever else is wrong with an offer is no matter of waiting.
    const { groupInfo, tree } = world.offer;
    assert.ok(!stuck!.isOfStranger({ groupInfo, tree: tree.subarray(0, -1), now }));
    assert.ok(!stuck!.isOfStranger({ ...(await worldOf(3)).offer, now }));
    await world.step(world.clients.at(-2)!);
    assert.ok(!stuck!.isOfStranger({ ...world.offer, now }));
    await world.resync(stuck!);
  });

  it("does not go back to roles of before", async () => {
    const world = await worldOf(3);
    const { offer } = world;
    const early = { groupInfo: Uint8Array.from(offer.groupInfo), tree: Uint8Array.from(offer.tree) };
    await world.step(world.clients[0]!, { policy: { membersMayAdd: !world.server.policy.membersMayAdd } });
    await assert.rejects(world.clients[1]!.resync({ ...early, now, afterReset: true }), { code: "group/policy" });
  });

  it("refuses the offer of another group, of another house, changed or cut", async () => {
    const world = await worldOf(3);
    const other = await worldOf(3);
    const { groupInfo, tree } = world.offer;
    const client = world.clients[1]!;
    await assert.rejects(client.resync({ ...other.offer, now }), isGroupFault);
    await assert.rejects(client.resync({ groupInfo, tree: other.offer.tree, now }), isGroupFault);
    for (const [part, bytes] of Object.entries({ groupInfo, tree })) {
      for (let i = 0; i < bytes.length; i += 7) {
        const flipped = Uint8Array.from(bytes);
        flipped[i]! ^= 1 << (i % 8);
        await assert.rejects(client.resync({ groupInfo, tree, now, [part]: flipped }), isGroupFault);
      }
      const [longer, shorter] = [Buffer.concat([bytes, Buffer.alloc(1)]), bytes.subarray(0, -1)];
      await assert.rejects(client.resync({ groupInfo, tree, now, [part]: longer }), { code: "group/invalid" });
      await assert.rejects(client.resync({ groupInfo, tree, now, [part]: shorter }), { code: "group/invalid" });
    }
    // who is not in the tree (any more) has no leaf to replace
    await world.step(world.clients[0]!, { remove: [world.clients[1]!] });
    await assert.rejects(client.resync({ ...world.offer, now }), { code: "group/invalid" });
  });

  it("in another's place is refused by everybody", async () => {
    const world = await worldOf(4);
    const victim = memberAt(world.clients[0]!, 3);
    const keys = await cipherSuite.signature.keygen();
    // the same pseudonym under another key: the library would replace that leaf
    const disguised = await enter(world.offer, victim, keys, true);
    await assert.rejects(world.clients[1]!.receive(disguised.commit), { code: "group/policy" });
    // another pseudonym under one's own key
    const own = signatureKeysOf(world.clients[2]!);
    const renamed = await enter(world.offer, identity(), own, true);
    await assert.rejects(world.clients[1]!.receive(renamed.commit), { code: "group/policy" });
    // without removing anybody: an outsider, and a second leaf of a member
    const outsider = await enter(world.offer, identity(), keys, false);
    await assert.rejects(world.clients[1]!.receive(outsider.commit), { code: "group/policy" });
    const honest = await enter(world.offer, memberAt(world.clients[2]!, 2), own, true);
    await world.clients[1]!.receive(honest.commit); // control
    // more than the two proposals
    const { publicMessage } = honest.message;
    const raw = { message: publicMessage, commit: honest.commit, groupInfo: randomBytes(0), welcome: undefined };
    const state = rawState(world.clients[2]!);
    const removing = { proposalType: "remove" as const, remove: { removed: 3 } };
    const greedy = await resigned(state, { ...raw, next: honest.state }, (commit) => ({
      ...commit,
      proposals: [...commit.proposals, { proposalOrRefType: "proposal", proposal: removing }],
    }));
    await assert.rejects(world.clients[1]!.receive(greedy), isGroupFault);
    const evicting = await resigned(state, { ...raw, next: honest.state }, (commit) => ({
      ...commit,
      proposals: commit.proposals.map((entry) =>
        entry.proposalOrRefType === "proposal" && entry.proposal.proposalType === "remove"
          ? { proposalOrRefType: "proposal", proposal: removing }
          : entry,
      ),
    }));
    await assert.rejects(world.clients[1]!.receive(evicting), { code: "group/policy" });
  });
});

describe("external join of a connection", function () {
  this.timeout(20_000);
  const connection = { membersMayAdd: false, connection: true };

  it("makes two members who can talk, renew and come back", async () => {
    const world = await World.create(connection);
    await world.join();
    await world.say(world.clients[1]!, Buffer.from("hello"));
    await world.step(world.clients[1]!);
    await world.step(world.clients[0]!);
    await world.resync(world.clients[1]!);
    await world.say(world.clients[0]!, Buffer.from("again"));
    assert.equal(world.server.memberCount, 2);
  });

  it("is seen by the first member as an Add by the newcomer", async () => {
    const world = await World.create(connection);
    const { commit } = await externalJoin({ ...world.offer, ...identity(), senderKey, now });
    const got = await world.clients[0]!.receive(commit);
    assert.ok(got.kind === "commit");
    assert.deepEqual([got.committer, got.added, got.removed, got.resynced], [1, [1], [], undefined]);
  });

  it("is for one, and for connections alone", async () => {
    const world = await World.create(connection);
    const alone = { ...world.offer, ...identity(), senderKey, now };
    const late = await externalJoin(alone);
    await world.join();
    await assert.rejects(externalJoin({ ...world.offer, ...identity(), senderKey, now }), { code: "group/policy" });
    await assert.rejects(world.clients[0]!.receive(late.commit), { code: "group/epoch" });
    const third = await enter(world.offer, identity(), await cipherSuite.signature.keygen(), false);
    await assert.rejects(world.clients[0]!.receive(third.commit), { code: "group/policy" });
    const group = await World.create();
    await assert.rejects(externalJoin({ ...group.offer, ...identity(), senderKey, now }), { code: "group/policy" });
  });

  it("refuses another house's group, and a pseudonym that is taken", async () => {
    const world = await World.create(connection);
    const request = { ...world.offer, ...identity(), senderKey, now };
    await externalJoin(request); // control
    await assert.rejects(externalJoin({ ...request, senderKey: randomBytes(32) }), { code: "group/policy" });
    const { pseudonym } = memberAt(world.clients[0]!, 0);
    await assert.rejects(externalJoin({ ...request, pseudonym }), { code: "group/policy" });
    await assert.rejects(externalJoin({ ...request, handle: randomBytes(3) }), { code: "group/policy" });
    // a creator's GroupInfo has the tree inside: it must be the one beside it
    const other = await World.create(connection);
    await assert.rejects(externalJoin({ ...request, tree: other.offer.tree }), isGroupFault);
  });
});
