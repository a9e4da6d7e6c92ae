// What our clients do with MLS, and what they refuse even when the server lets it through.
import assert from "node:assert/strict";
import { createApplicationMessage, createCommit, createProposal, emptyPskIndex } from "ts-mls";
import type { ClientState, LeafNode } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import { verify } from "../../src/crypto/sign.ts";
import { Fault } from "../../src/fault.ts";
import { ClientGroup, joinFromWelcome, welcomeGroupKey } from "../../src/mls/client.ts";
import { inspectKeyPackage, makeKeyPackage } from "../../src/mls/key-package.ts";
import { readKeyPackage, writeMessage } from "../../src/mls/messages.ts";
import { cipherSuite, MAX_LIFETIME } from "../../src/mls/suite.ts";
import { rawCommit, rawState, resigned } from "./raw.ts";
import { identity, lifetime, newKeyPackage, now, senderKey, World } from "./world.ts";

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const isFault = (error: unknown): boolean => error instanceof Fault && error.code.startsWith("group/");

/** `clients[0]` to `clients[n-1]`, all having committed once, so that the tree is full of keys. */
async function worldOf(n: number): Promise<World> {
  const world = await World.create();
  await world.commit(world.clients[0]!, n - 1);
  for (let i = 0; i < n; i++) await world.commit(world.clients[i]!);
  return world;
}

describe("KeyPackages", () => {
  it("say whose they are", async () => {
    const who = identity();
    const made = await makeKeyPackage({ ...who, ...lifetime, lastResort: true });
    const read = inspectKeyPackage(made.keyPackage, now);
    assert.deepEqual(buffer(read.pseudonym), buffer(who.pseudonym));
    assert.deepEqual(buffer(read.handle), buffer(who.handle));
    assert.deepEqual(buffer(read.ref), buffer(made.ref));
    assert.deepEqual(buffer(read.signaturePublicKey), buffer(made.signaturePublicKey));
    assert.deepEqual(buffer(made.signPrivate.subarray(32)), buffer(made.signaturePublicKey));
    assert.equal(read.lastResort, true);
    assert.equal(inspectKeyPackage((await newKeyPackage()).keyPackage, now).lastResort, false);
  });

  it("are refused out of time, changed, cut, prolonged or of another size", async () => {
    const { keyPackage } = await newKeyPackage();
    inspectKeyPackage(keyPackage, now);
    assert.throws(() => inspectKeyPackage(keyPackage, lifetime.notAfter + 1), { code: "group/invalid" });
    assert.throws(() => inspectKeyPackage(keyPackage, lifetime.notBefore - 1), { code: "group/invalid" });
    const long = await makeKeyPackage({ ...identity(), notBefore: now - 1, notAfter: now + MAX_LIFETIME });
    assert.throws(() => inspectKeyPackage(long.keyPackage, now), { code: "group/invalid" });
    for (let i = 0; i < keyPackage.length; i++) {
      const flipped = keyPackage.slice();
      flipped[i]! ^= 1 << (i % 8);
      assert.throws(() => inspectKeyPackage(flipped, now), isFault);
    }
    assert.throws(() => inspectKeyPackage(keyPackage.subarray(0, -1), now), { code: "group/invalid" });
    assert.throws(() => inspectKeyPackage(Buffer.concat([keyPackage, Buffer.alloc(1)]), now), isFault);
    assert.throws(() => inspectKeyPackage(new Uint8Array(2000), now), { code: "group/limit" });
    await assert.rejects(makeKeyPackage({ ...identity(), handle: randomBytes(87), ...lifetime }), isFault);
    await assert.rejects(makeKeyPackage({ ...identity(), pseudonym: randomBytes(15), ...lifetime }), isFault);
  });
});

describe("client groups", function () {
  this.timeout(20_000);

  it("change the group key with every commit, and everyone has the same", async () => {
    const world = await worldOf(3);
    const keys = new Set<string>();
    for (const by of [0, 1, 2, 0]) {
      await world.commit(world.clients[by]!);
      keys.add(buffer(await world.clients[0]!.groupKey()).toString("hex"));
    }
    assert.equal(keys.size, 4);
  });

  it("keep the queue handle through commits and replace it when asked", async () => {
    const world = await worldOf(3);
    const handleOf = (leaf: number) => buffer(world.server.leaf(leaf)!.handle);
    const first = handleOf(1);
    await world.commit(world.clients[1]!);
    assert.deepEqual(handleOf(1), first);
    const { handle } = identity();
    await world.commit(world.clients[1]!, 0, [], handle);
    assert.deepEqual(handleOf(1), buffer(handle));
    await world.commit(world.clients[1]!);
    assert.deepEqual(handleOf(1), buffer(handle));
  });

  it("pad messages to steps of 256 bytes", async () => {
    const world = await worldOf(2);
    const sizes = new Map<number, number>();
    for (const length of [0, 1, 63, 64, 100, 188, 189, 190, 300, 443, 444, 445, 5000]) {
      const sent = await world.clients[0]!.send(randomBytes(length));
      sizes.set(length, sent.privateMessage.length);
    }
    const [smallest] = sizes.values();
    for (const size of sizes.values()) assert.equal((size - smallest!) % 256 < 4, true);
    assert.equal(sizes.get(188), smallest); // 2 + 188 + 2 + 64 = 256
    assert.notEqual(sizes.get(189), smallest);
    assert.equal(sizes.get(189), sizes.get(300));
  });

  it("read each message once, also one of the epoch before, none older", async () => {
    const world = await worldOf(2);
    const [alice, bob] = world.clients;
    const first = await alice!.send(Buffer.from("one"));
    const got = await bob!.receive(first.privateMessage);
    assert.ok(got.kind === "application" && buffer(got.plaintext).toString() === "one");
    await assert.rejects(got.next.receive(first.privateMessage), { code: "group/invalid" });
    const late = await alice!.send(Buffer.from("late"));
    await world.commit(alice!);
    const found = await world.clients[1]!.receive(late.privateMessage);
    assert.ok(found.kind === "application" && found.sender === 0);
    await world.commit(world.clients[1]!);
    await assert.rejects(world.clients[1]!.receive(late.privateMessage), { code: "group/invalid" });
  });

  it("come back from their stored form, which they do not share", async () => {
    const world = await worldOf(3);
    const bytes = world.clients[1]!.serialize();
    const restored = ClientGroup.deserialize(bytes);
    bytes.fill(0);
    world.clients[1] = restored;
    await world.commit(restored);
    await world.say(world.clients[0]!, Buffer.from("hello"));
    assert.throws(() => ClientGroup.deserialize(bytes), { code: "group/invalid" });
    assert.throws(() => ClientGroup.deserialize(restored.serialize().subarray(1)), { code: "group/invalid" });
  });

  it("sign as their leaf", async () => {
    const world = await worldOf(2);
    const body = randomBytes(50);
    const signature = world.clients[1]!.signWithLeaf("request", body);
    const { signaturePublicKey } = world.server.leaf(1)!;
    assert.equal(verify(signature, "request", signaturePublicKey, body), true);
    assert.equal(verify(signature, "leafLink", signaturePublicKey, body), false);
    assert.equal(verify(signature, "request", world.server.leaf(0)!.signaturePublicKey, body), false);
  });

  it("refuse their own commit, commits of other epochs, and everything that is changed", async () => {
    const world = await worldOf(3);
    const pending = await world.clients[0]!.commit({ now });
    await assert.rejects(world.clients[0]!.receive(pending.commit), { code: "group/invalid" });
    const later = await pending.next.commit({ now });
    await assert.rejects(world.clients[1]!.receive(later.commit), { code: "group/epoch" });
    const sent = await world.clients[0]!.send(Buffer.from("text"));
    for (const good of [pending.commit, sent.privateMessage]) {
      await world.clients[1]!.receive(good);
      for (let i = 0; i < good.length; i += 5) {
        const flipped = good.slice();
        flipped[i]! ^= 1 << (i % 8);
        await assert.rejects(world.clients[1]!.receive(flipped), isFault);
      }
      await assert.rejects(world.clients[1]!.receive(Buffer.concat([good, Buffer.alloc(1)])), isFault);
      await assert.rejects(world.clients[1]!.receive(good.subarray(0, -1)), isFault);
    }
    await assert.rejects(world.clients[1]!.receive(pending.groupInfo), { code: "group/invalid" });
  });

  it("refuse a Welcome that is changed, for others, or out of the bounds of this house", async () => {
    const world = await worldOf(2);
    const keys = await newKeyPackage();
    const other = await newKeyPackage();
    const { welcome, commit, groupInfo } = await world.clients[0]!.commit({ add: [keys.keyPackage], now });
    assert.ok(welcome);
    const tree = world.server.validateCommit({ commit, groupInfo, welcome, now }).next.treeBytes;
    const join = (message: Uint8Array, own = keys, nodes = tree, house = senderKey) =>
      joinFromWelcome(message, own.keyPackage, own.privateKeys, nodes, house);
    await join(welcome);
    await assert.rejects(join(welcome, other), isFault);
    await assert.rejects(join(welcome, { ...keys, privateKeys: other.privateKeys }), isFault);
    for (let i = 0; i < welcome.length; i += 17) {
      const flipped = welcome.slice();
      flipped[i]! ^= 1 << (i % 8);
      await assert.rejects(join(flipped), isFault);
      await assert.rejects(welcomeGroupKey(flipped, keys.keyPackage, keys.privateKeys), isFault);
    }
    const longer = Buffer.concat([welcome, Buffer.alloc(1)]);
    await assert.rejects(join(longer), { code: "group/invalid" });
    await assert.rejects(welcomeGroupKey(longer, keys.keyPackage, keys.privateKeys), { code: "group/invalid" });
    // the tree comes apart: of another epoch, changed, cut, prolonged
    await assert.rejects(join(welcome, keys, world.server.treeBytes), isFault);
    for (let i = 0; i < tree.length; i += 31) {
      const flipped = Uint8Array.from(tree);
      flipped[i]! ^= 1 << (i % 8);
      await assert.rejects(join(welcome, keys, flipped), isFault);
    }
    await assert.rejects(join(welcome, keys, tree.subarray(0, -1)), { code: "group/invalid" });
    await assert.rejects(join(welcome, keys, Buffer.concat([tree, Buffer.alloc(1)])), { code: "group/invalid" });
    // and the group of another house
    await assert.rejects(join(welcome, keys, tree, randomBytes(32)), { code: "group/policy" });
  });

  it("refuse a Welcome that carries the tree, as none of ours does", async () => {
    const world = await worldOf(2);
    const keys = await newKeyPackage();
    const extraProposals = [{ proposalType: "add" as const, add: { keyPackage: readKeyPackage(keys.keyPackage) } }];
    const state = rawState(world.clients[0]!);
    const made = await rawCommit(state, { forcePath: true, extraProposals, ratchetTreeExtension: true });
    const plain = await rawCommit(state, { forcePath: true, extraProposals, ratchetTreeExtension: false });
    await welcomeGroupKey(plain.welcome!, keys.keyPackage, keys.privateKeys); // control
    const opening = welcomeGroupKey(made.welcome!, keys.keyPackage, keys.privateKeys);
    await assert.rejects(opening, { code: "group/policy" });
  });

  it("refuse proposals and handshakes that this house does not speak", async () => {
    const world = await worldOf(3);
    const [alice, bob] = world.clients;
    const state = rawState(alice!);
    const removal = { proposalType: "remove" as const, remove: { removed: 2 } };
    for (const asPublic of [true, false]) {
      const { message } = await createProposal(state, asPublic, removal, cipherSuite);
      await assert.rejects(bob!.receive(writeMessage(message)), { code: "group/policy" });
      const { commit } = await createCommit(
        { state, cipherSuite, pskIndex: emptyPskIndex },
        { extraProposals: [removal], wireAsPublicMessage: asPublic },
      );
      if (asPublic) await bob!.receive(writeMessage(commit));
      else await assert.rejects(bob!.receive(writeMessage(commit)), { code: "group/policy" });
    }
    const renewal = await rawCommit(state, { forcePath: true });
    const pathless = await resigned(state, renewal, (c) => ({ ...c, path: undefined }));
    await assert.rejects(bob!.receive(pathless), { code: "group/policy" });
    const { privateMessage } = await createApplicationMessage(state, randomBytes(3), cipherSuite, randomBytes(2));
    await assert.rejects(bob!.receive(writeMessage({ wireformat: "mls_private_message", privateMessage })), isFault);
  });

  it("refuse a member that takes another pseudonym, though the group's server would have let it", async () => {
    const world = await worldOf(2);
    const state = rawState(world.clients[0]!);
    const ratchetTree = state.ratchetTree.slice();
    const own = ratchetTree[0];
    assert.ok(own?.nodeType === "leaf");
    const credential = { credentialType: "basic" as const, identity: randomBytes(16) };
    ratchetTree[0] = { nodeType: "leaf", leaf: { ...own.leaf, credential } as LeafNode };
    const made = await rawCommit({ ...state, ratchetTree }, { forcePath: true });
    await assert.rejects(world.clients[1]!.receive(made.commit), { code: "group/policy" });
  });

  it("refuse path secrets that do not fit the public keys of the path", async () => {
    const world = await worldOf(4);
    const state: ClientState = rawState(world.clients[0]!);
    const honest = cipherSuite.hpke;
    let calls = 0;
    // the first key pair is the leaf's, the second the lowest parent's: give that one a stranger's public key
    const deriveKeyPair: typeof honest.deriveKeyPair = async (ikm) => {
      const pair = await honest.deriveKeyPair(ikm);
      return ++calls === 2 ? { ...pair, publicKey: (await honest.generateKeyPair()).publicKey } : pair;
    };
    const suite = { ...cipherSuite, hpke: { ...honest, deriveKeyPair } };
    const { commit } = await createCommit(
      { state, cipherSuite: suite, pskIndex: emptyPskIndex },
      { wireAsPublicMessage: true, forcePath: true },
    );
    // leaf 1 is below that parent and refuses; leaf 2 is not and cannot know
    await assert.rejects(world.clients[1]!.receive(writeMessage(commit)), { code: "group/invalid" });
    await world.clients[2]!.receive(writeMessage(commit));
  });
});
