// What members can make each other believe: acted out by a client that does not keep to the rules.
import assert from "node:assert/strict";
import { makeIntroduction } from "../../src/client/credentials.ts";
import { change } from "../../src/client/group-commit.ts";
import { healths } from "../../src/client/group-record.ts";
import { deliver, enqueue, flush } from "../../src/client/group-outbox.ts";
import { draft, keep } from "../../src/client/group-request.ts";
import { joined } from "../../src/client/group-join.ts";
import type { HeldGroup } from "../../src/client/groups.ts";
import { openParts } from "../../src/client/open.ts";
import type { Parts } from "../../src/client/parts.ts";
import type { ClientState } from "../../src/client/state.ts";
import { resume } from "../../src/client/sync.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { createGroup } from "../../src/mls/client.ts";
import { encode } from "../../src/wire/codec.ts";
import { friendship, groupMessage, groupMessageKinds, introductions } from "../../src/wire/documents.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { befriend, settled, texts, type Person } from "./people.ts";

describe("client/group", function () {
  this.timeout(30_000);
  let house: TestHouse;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  let mallory: Person;
  /** Mallory's client, taken apart, and the group of mallory and bob in it. */
  let parts: Parts;
  let state: ClientState;
  let held: HeldGroup;

  const names = (someone: Person): (string | undefined)[] => someone.group.members().map(({ name }) => name);
  const say = async (kind: keyof typeof groupMessageKinds, body: Buffer): Promise<void> => {
    await enqueue(parts, held, { kind: groupMessageKinds[kind], body });
    await flush(parts, held);
  };

  before(async () => {
    house = await startTestHouse();
    [alice, bob, carol, mallory] = [
      await settled(house, "alice"),
      await settled(house, "bob"),
      await settled(house, "carol"),
      await settled(house, "mallory"),
    ];
    await befriend(mallory, bob);
    await befriend(mallory, alice);
    await befriend(mallory, carol);
    await mallory.client.close();
    const { transport, statePath, deviceKey } = mallory;
    ({ parts, state } = await openParts({ transport, statePath, deviceKey, onion: house.onion, clock: house.now }));
    held = parts.groups.all.find((group) => group.state.introductions.some(({ identity }) => identity.name === "bob"))!;
  });
  after(async () => {
    await state.close();
    for (const someone of [alice, bob, carol, mallory]) await someone.stop();
    await house.stop();
  });

  it("believes no introduction that its owner did not sign for that leaf", async () => {
    const { identity } = parts.contacts.get("alice");
    const own = held.state.mls!.members().find(({ leafIndex }) => leafIndex === held.state.mls!.ownLeaf)!;
    const leaf = { pseudonym: own.pseudonym, leafKey: own.signaturePublicKey };
    const asAlice = makeIntroduction(identity, parts.account.sign, leaf);
    const ofAnotherGroup = parts.groups.all
      .flatMap((group) => group.state.introductions)
      .find((introduction) => introduction.identity.name === "alice")!.document;
    const list = [asAlice, ofAnotherGroup, Buffer.from("nonsense")];
    await say("introductions", encode(introductions, list, Buffer.alloc));
    await say("text", Buffer.from("I am alice"));
    assert.deepEqual(texts(await bob.sync()), ["mallory: I am alice"]);
    assert.deepEqual(new Set(names(bob)), new Set(["bob", "mallory"]));
  });

  it("takes a friendship only from somebody who was asked", async () => {
    await say("friendship", encode(friendship, parts.inbox.friendship, Buffer.alloc));
    const before = bob.client.contacts();
    assert.deepEqual(await bob.sync(), []);
    assert.deepEqual(bob.client.contacts(), before);
  });

  it("takes nothing from a member that is of another mind about the epoch, and looks once", async () => {
    const mls = held.state.mls!;
    const body = Buffer.from("we are elsewhere");
    const plain = encode(
      groupMessage,
      { kind: groupMessageKinds.text, authenticator: randomBytes(16), body },
      Buffer.alloc,
    );
    const { privateMessage: message, next } = await mls.send(plain);
    const request = { groupId: held.state.groupId, groupKey: await mls.groupKey(), leaf: mls.ownLeaf, message };
    await draft(parts, "ds.send", request, (pending) => keep(parts, held, { ...held.state, mls: next, pending }));
    assert.equal(await deliver(parts, held), "done");
    assert.deepEqual(await bob.sync(), []);
    assert.equal(bob.group.health, "good");
    // Control: with the right one it is heard.
    await say("text", body);
    assert.deepEqual(texts(await bob.sync()), ["mallory: we are elsewhere"]);
  });

  it("outlives nonsense from a member", async () => {
    await say("introductions", Buffer.from("no list"));
    await say("friendship", Buffer.from("no friendship"));
    await enqueue(parts, held, { kind: 99, body: Buffer.from("of a kind to come") });
    await say("text", Buffer.from("still here"));
    assert.deepEqual(texts(await bob.sync()), ["mallory: still here"]);
  });

  it("gives a group up that the server does not have, after so many attempts and tokens", async () => {
    const { inbox, groups, tokens, session } = parts;
    const [handle] = await inbox.mintHandles([randomBytes(16)]);
    const now = session.clock();
    const { deliveryKey: senderKey } = await session.directory.current();
    const ids = { groupId: randomBytes(16), pseudonym: randomBytes(16) };
    const mls = await createGroup({ ...ids, handle: handle!, senderKey, now });
    const nowhere = groups.add(joined(parts, mls));
    const before = tokens.count("deliver");
    await enqueue(parts, nowhere, { kind: groupMessageKinds.text, body: Buffer.from("anybody?") });
    await assert.rejects(flush(parts, nowhere), { code: "group/diverged" });
    assert.equal(tokens.count("deliver"), before - 1);
    for (let i = 0; i < 6; i++) {
      await house.advance(Math.max(0, nowhere.state.care.at - session.clock()) + 1);
      await resume(parts);
    }
    assert.equal(nowhere.state.care.health, healths.stuck);
    const spent = before - tokens.count("deliver");
    assert.ok(spent > 1 && spent <= 20, String(spent));
  });

  it("refuses a contact whose published KeyPackage is introduced by somebody else", async () => {
    const [a, b] = [parts.contacts.get("alice"), parts.contacts.get("bob")];
    await assert.rejects(parts.keyPackages.claim({ ...a, identity: b.identity }, parts.tokens), {
      code: "contact/unverified",
    });
    // Control: with its own key it is fine.
    await parts.keyPackages.claim(a, parts.tokens);
  });

  it("marks a member that nobody introduced, and what it says", async () => {
    const contact = parts.contacts.get("carol");
    const claimed = await parts.keyPackages.claim(contact, parts.tokens);
    // An introduction of carol's, but of another leaf of hers: it explains nobody in this group.
    const other = parts.groups.all
      .flatMap((group) => group.state.introductions)
      .find((introduction) => introduction.identity.name === "carol")!;
    await change(parts, held, { add: [{ keyPackage: claimed.keyPackage, introduction: other }] });
    const events = await bob.sync();
    assert.deepEqual(
      events.map((event) => (event.kind === "memberAdded" ? [event.kind, event.name] : event.kind)),
      [["memberAdded", undefined]],
    );
    assert.ok(names(bob).includes(undefined));
    await carol.sync();
    await carol.client
      .groups()
      .find((group) => group.members().length === 3)!
      .send("who am I?");
    assert.deepEqual(texts(await bob.sync()), ["?: who am I?"]);
  });
});
