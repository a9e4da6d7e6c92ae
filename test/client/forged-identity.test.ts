// A malicious house together with a member: it signs whatever credential they like, with its own intermediate key, and
// puts what they like into its store. `alice` knows bob; `dave` does not, and is the control: what dave believes, alice
// would have believed without her pins.
import assert from "node:assert/strict";
import { makeIntroduction, readIntroduction, signDocument, type Identity } from "../../src/client/credentials.ts";
import type { ClientEvent } from "../../src/client/index.ts";
import { change } from "../../src/client/group-commit.ts";
import { enqueue, flush } from "../../src/client/group-outbox.ts";
import { beginGroup } from "../../src/client/groups.ts";
import { sealOffer } from "../../src/client/offers.ts";
import { openParts } from "../../src/client/open.ts";
import type { Parts } from "../../src/client/parts.ts";
import type { ClientState } from "../../src/client/state.ts";
import { SEAL_OVERHEAD, sealInto } from "../../src/crypto/aead.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { equal } from "../../src/memory/locked.ts";
import { nameRecord } from "../../src/services/auth/records.ts";
import { keyPackageRecord } from "../../src/services/queue/records.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import * as documents from "../../src/wire/documents.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { makeClientList } from "../../src/client/client-list.ts";
import { dropPackages, forge, rewrite, type Forged } from "./forge.ts";
import { befriend, settled, texts, type Person } from "./people.ts";

const DAY = 86400;
const told = (events: readonly ClientEvent[]): string[] =>
  events.map((event) => ("name" in event ? `${event.kind} ${event.name ?? "?"}` : event.kind));

describe("client: an identity that a malicious house forged", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let alice: Person;
  let bob: Person;
  let dave: Person;
  let mallory: Person;
  /** Mallory's client, taken apart. */
  let parts: Parts;
  let state: ClientState;
  let bobs: Identity;

  before(async () => {
    house = await startTestHouse();
    [alice, bob, dave, mallory] = [
      await settled(house, "alice"),
      await settled(house, "bob"),
      await settled(house, "dave"),
      await settled(house, "mallory"),
    ];
    await befriend(alice, bob);
    for (const one of [alice, bob, dave]) await befriend(mallory, one);
    bobs = alice.client.contacts().find(({ name }) => name === "bob")!.identity;
    await mallory.client.close();
    const { transport, statePath, deviceKey } = mallory;
    ({ parts, state } = await openParts({ transport, statePath, deviceKey, onion: house.onion, clock: house.now }));
  });
  after(async () => {
    await state.close();
    for (const someone of [alice, bob, dave, mallory]) await someone.stop();
    await house.stop();
  });

  /** A group of mallory, alice and dave, in which mallory's own leaf is introduced as somebody else. */
  async function groupAs({ identity, signer }: Forged): Promise<(text: string) => Promise<void>> {
    const held = await beginGroup(parts);
    const [own] = held.state.mls!.members();
    const leaf = { pseudonym: own!.pseudonym, leafKey: own!.signaturePublicKey };
    held.state = { ...held.state, introductions: [readIntroduction(makeIntroduction(identity, signer, leaf))] };
    const claims = ["alice", "dave"].map((name) => parts.keyPackages.claim(parts.contacts.get(name), parts.tokens));
    await change(parts, held, { add: await Promise.all(claims) });
    return async (text) => {
      await enqueue(parts, held, { kind: documents.groupMessageKinds.text, body: Buffer.from(text) });
      await flush(parts, held);
    };
  }
  const newest = (someone: Person): (string | undefined)[] =>
    someone.client
      .groups()
      .at(-1)!
      .members()
      .map(({ name }) => name);

  /** Sends `to` an offer in the name of whoever was forged. */
  async function offerAs({ identity, signer }: Forged, to: string): Promise<void> {
    const { call } = parts.session;
    const name = Buffer.from(to);
    const sealKey = await parts.tokens.spend("as.discover", (token) =>
      call({ operation: "as.discover", circuit: "d", request: { name }, token }, ({ connectionPackage }) =>
        Buffer.from(decode(documents.connectionPackage, documents.splitSigned(connectionPackage).body).sealKey),
      ),
    );
    const body = encode(
      documents.connectionRequest,
      { friendship: parts.inbox.friendship, replyKey: randomBytes(32) },
      Buffer.alloc,
    );
    const offer = sealOffer(identity, { kind: "request", clientList: Buffer.alloc(0), body }, signer, sealKey);
    await parts.tokens.spend("as.connect", (token) =>
      call({ operation: "as.connect", circuit: "c", request: { name, offer }, token }, () => undefined),
    );
  }

  for (const [what, userId] of [
    ["the contact's user id", () => bobs.userId],
    ["a user id of its own", () => randomBytes(16)],
  ] as const) {
    it(`is not taken for a contact when a member is introduced by it (${what})`, async () => {
      const say = await groupAs(forge(house, "bob", userId()));
      await say("I am bob");
      const events = await alice.sync();
      assert.deepEqual(told(events), ["joinedGroup", "identityChanged bob", "message"]);
      assert.deepEqual(texts(events), ["?: I am bob"]);
      assert.deepEqual(new Set(newest(alice)), new Set(["alice", "dave", undefined]));
      // Control: who does not know bob believes the house.
      if (what === "the contact's user id") {
        assert.deepEqual(texts(await dave.sync()), ["bob: I am bob"]);
        assert.ok(newest(dave).includes("bob"));
        await dave.client.forget("bob");
      } else {
        await dave.sync();
      }
    });
  }

  it("is not taken for oneself", async () => {
    const say = await groupAs(forge(house, "alice"));
    await say("I am you");
    const events = await alice.sync();
    assert.deepEqual(told(events), ["joinedGroup", "identityChanged alice", "message"]);
    assert.deepEqual(texts(events), ["?: I am you"]);
    await dave.sync();
  });

  it("is told of once, however often it is shown", async () => {
    const forged = forge(house, "bob", bobs.userId);
    await groupAs(forged);
    assert.deepEqual(told(await alice.sync()), ["joinedGroup", "identityChanged bob"]);
    await alice.restart();
    await groupAs(forged);
    assert.deepEqual(told(await alice.sync()), ["joinedGroup"]);
    assert.ok(newest(alice).includes(undefined));
    await dave.sync();
  });

  it("is not taken for a person that was introduced before", async () => {
    await dave.client.forget("erin");
    await groupAs(forge(house, "erin"));
    await groupAs(forge(house, "erin"));
    for (const someone of [alice, dave]) {
      assert.deepEqual(told(await someone.sync()), ["joinedGroup", "joinedGroup", "identityChanged erin"]);
    }
    assert.ok(newest(alice).includes(undefined));
    await alice.restart();
    await groupAs(forge(house, "erin"));
    assert.deepEqual(told(await alice.sync()), ["joinedGroup", "identityChanged erin"]);
    await dave.sync();
  });

  it("makes no contact request in a contact's name", async () => {
    const before = alice.client.contacts();
    await offerAs(forge(house, "bob", bobs.userId), "alice");
    assert.deepEqual(told(await alice.sync()), ["identityChanged bob"]);
    assert.deepEqual(alice.client.contactRequests(), []);
    assert.deepEqual(alice.client.contacts(), before);
    await dave.client.forget("bob");
    await offerAs(forge(house, "bob", bobs.userId), "dave");
    assert.deepEqual(told(await dave.sync()), ["contactRequest bob"]);
    await dave.client.forget("bob");
  });

  it("does not replace a stranger's waiting request, and cannot be accepted once its name means somebody else", async () => {
    await offerAs(forge(house, "frank"), "alice");
    assert.deepEqual(told(await alice.sync()), ["contactRequest frank"]);
    const [first] = alice.client.contactRequests();
    await offerAs(forge(house, "frank"), "alice");
    assert.deepEqual(told(await alice.sync()), ["identityChanged frank"]);
    assert.deepEqual(alice.client.contactRequests(), [first]);
    const frank = await settled(house, "frank");
    await alice.client.requestContact("frank");
    await assert.rejects(alice.client.accept(first!), { code: "contact/changed" });
    // The one whom alice asked may take the place of the request that waits.
    await frank.client.requestContact("alice");
    assert.deepEqual(told(await alice.sync()), ["contactRequest frank"]);
    await assert.rejects(alice.client.accept(first!), { code: "contact/changed" });
    await alice.client.accept(alice.client.contactRequests()[0]!);
    await frank.stop();
  });

  it("is not found by a contact's name", async () => {
    const { identity, signer } = forge(house, "bob", bobs.userId);
    const body = { version: 1, sealKey: randomBytes(32), notAfter: 60000, lastResort: 1 };
    const lastResort = signDocument(
      encode(documents.connectionPackage, body, Buffer.alloc),
      "connectionPackage",
      signer,
    );
    // a list of its own making: dave has seen none before
    const { clientKey } = identity;
    const list = { domain: parts.session.domain, userId: bobs.userId, number: 2, previous: Buffer.alloc(1) };
    const listed = { recoveryKey: randomBytes(32), clients: [clientKey], signer: clientKey };
    const clientList = makeClientList({ ...list, ...listed }, signer);
    await dropPackages(house, bobs.userId);
    // A credential alone is no good: bob's own list of clients does not have its key.
    const unlisted = await rewrite(house, "name", Buffer.from("bob"), nameRecord, (record) => {
      return { ...record, credential: identity.document, lastResort };
    });
    await assert.rejects(dave.client.requestContact("bob"), { code: "contact/unverified" });
    await unlisted();
    const restore = await rewrite(house, "name", Buffer.from("bob"), nameRecord, (record) => {
      return { ...record, credential: identity.document, clientList, lastResort };
    });
    await assert.rejects(alice.client.requestContact("bob"), { code: "contact/changed" });
    await dave.client.requestContact("bob");
    // The real one is found again; to dave it is now the real one that is somebody else.
    await restore();
    await alice.client.requestContact("bob");
    await assert.rejects(dave.client.requestContact("bob"), { code: "contact/changed" });
    await dave.client.forget("bob");
    await dave.client.requestContact("bob");
    await bob.sync();
  });

  it("gets no KeyPackage claimed in a contact's place", async () => {
    const { identity, signer } = forge(house, "bob", bobs.userId);
    // Whoever is a contact of bob's can seal what bob publishes.
    const { friendship } = parts.contacts.get("bob");
    const now = house.now();
    const [handle] = await parts.inbox.mintHandles([randomBytes(16)]);
    const leaf = { pseudonym: randomBytes(16), handle: handle!, notBefore: now - DAY, notAfter: now + DAY };
    const { keyPackage, signaturePublicKey: leafKey } = await makeKeyPackage(leaf);
    const introduction = makeIntroduction(identity, signer, { pseudonym: leaf.pseudonym, leafKey });
    const bundle = encode(documents.keyPackageBundle, { keyPackage, introduction }, Buffer.alloc);
    const sealed = Buffer.alloc(bundle.length + SEAL_OVERHEAD);
    sealInto(sealed, bundle, Buffer.alloc(0), friendship.keyPackageKey);
    const queueId = bob.client.identifiers().find(({ what }) => what === "queue id")!.bytes;
    const restore = await rewrite(house, "keyPackage", queueId, keyPackageRecord, (record) => {
      return { ...record, keyPackages: [], lastResort: [{ notAfter: Math.floor(now / DAY) + 1, sealed }] };
    });
    const contact = alice.client.contacts().find(({ name }) => name === "bob")!;
    await assert.rejects(alice.client.createGroup([contact]), { code: "contact/changed" });
    // Control: for whoever had taken the forged one for bob, it would be bob's.
    const believed = { name: "bob", identity, friendship };
    const { keyPackage: claimed } = await parts.keyPackages.claim(believed, parts.tokens);
    assert.ok(equal(claimed, keyPackage));
    await restore();
    await alice.client.createGroup([contact]);
  });
});
