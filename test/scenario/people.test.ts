// What befalls people and their accounts, each over the house: everything lost and taken back, another name, refusals,
// blocks, profiles, aliases, the end.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { befriend, gather, namesIn, person, settled, texts, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const DAY = 86400;
const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);
const about = (events: readonly ClientEvent[], kind: ClientEvent["kind"]): ClientEvent[] =>
  events.filter((event) => event.kind === kind);

describe("scenario: people", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let everybody: Person[];
  let count = 0;
  // The MLS library looks at the system's clock.
  const now = Date.now;
  let ahead = 0;
  const pass = (seconds: number): Promise<void> => {
    ahead += seconds * 1000;
    return house.advance(0);
  };

  before(async () => {
    Date.now = () => now() + ahead;
    house = await startTestHouse();
  });
  beforeEach(() => {
    everybody = [];
    count++;
  });
  afterEach(async () => {
    for (const someone of everybody) await someone.stop();
  });
  after(async () => {
    Date.now = now;
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  const known = async (name: string): Promise<Person> => {
    const someone = await settled(house, `${name}${count}`);
    everybody.push(someone);
    return someone;
  };
  const two = async (): Promise<[Person, Person]> => {
    const [alice, bob] = [await known("alice"), await known("bob")];
    await befriend(alice, bob);
    return [alice, bob];
  };
  const contact = (of: Person, name: string) => of.client.contacts().find((other) => other.name === name)!;

  it("[6.12] who has lost everything takes the name back with the words alone; contacts are told", async () => {
    const [alice, bob] = await two();
    const name = alice.client.name!;
    const words = alice.client.account.recoveryWords()!;
    assert.equal(words.split(" ").length, 24);
    await alice.client.account.forgetRecoveryWords();
    assert.equal(alice.client.account.recoveryWords(), undefined);
    await bob.client.setVerified(contact(bob, name), true);
    const number = bob.client.safetyNumber(contact(bob, name));
    assert.match(number, /^\d{60}$/);
    assert.equal(alice.client.safetyNumber(contact(alice, bob.client.name!)), number);
    assert.ok(contact(bob, name).verified);

    const fresh = await person(house);
    everybody.push(fresh);
    const { account } = fresh.client;
    await assert.rejects(account.reset(words.replace(/^\w+/, "zoo"), name), { code: "account/words" });
    await assert.rejects(account.reset(`${"abandon ".repeat(23)}art`, name), { code: "auth/signature" });
    await account.reset(words, name);
    assert.equal(fresh.client.name, name);
    assert.equal(account.devices().length, 1);
    // The lost device is one no more.
    assert.ok(kinds(await alice.sync()).includes("accountEnded"));

    // Where there is no group in common any more, contacts look.
    await pass(3 * DAY);
    await bob.sync();
    await pass(3 * DAY);
    const events = await bob.sync();
    assert.deepEqual(about(events, "contactReset"), [{ kind: "contactReset", name }]);
    assert.equal(contact(bob, name), undefined);

    // Tokens of this epoch went with the lost device.
    await pass(31 * DAY);
    await fresh.client.drawTokens();
    await fresh.client.createInbox();
    await bob.client.drawTokens();
    await bob.client.requestContact(name);
    await fresh.sync();
    await fresh.client.accept(fresh.client.contactRequests()[0]!);
    await bob.sync();
    assert.ok(!contact(bob, name).verified);
    assert.notEqual(bob.client.safetyNumber(contact(bob, name)), number);
    assert.equal(
      fresh.client.safetyNumber(contact(fresh, bob.client.name!)),
      bob.client.safetyNumber(contact(bob, name)),
    );
  });

  it("[6.13] another name reaches contacts end to end, and the server cannot give one", async () => {
    const [alice, bob] = await two();
    const before = alice.client.name!;
    await alice.client.account.rename(`alicia${count}`);
    assert.equal(alice.client.name, `alicia${count}`);
    await alice.sync();
    const events = await bob.sync();
    assert.deepEqual(events, [{ kind: "contactRenamed", name: `alicia${count}`, before }]);
    assert.deepEqual(namesIn(bob.group), [`alicia${count}`, bob.client.name]);
    assert.equal(bob.client.contacts()[0]!.name, `alicia${count}`);
    await alice.group.send("still me");
    assert.deepEqual(texts(await bob.sync()), [`alicia${count}: still me`]);
    await bob.restart();
    await gather([bob, alice]);
    await assert.rejects(alice.client.account.rename(`again${count}`), { code: "account/limit" });
    await assert.rejects(bob.client.requestContact(before), { code: "contact/unknown-name" });
    await assert.rejects(bob.client.account.rename(`alicia${count}`), { code: "account/taken" });
  });

  it("[6.10] credentials are renewed in time, and groups told", async () => {
    const [alice, bob] = await two();
    for (let month = 0; month < 4; month++) {
      await pass(29 * DAY);
      await alice.sync();
      await bob.sync();
    }
    await alice.sync();
    const carol = await known("carol");
    await carol.client.requestContact(alice.client.name!);
    await alice.sync();
    await alice.client.accept(alice.client.contactRequests()[0]!);
    await carol.sync();
    const trio = await gather([alice, bob, carol]);
    for (const someone of [alice, bob, carol])
      assert.deepEqual(
        namesIn(trio.of(someone)),
        [alice, bob, carol].map(({ client }) => client.name),
      );
  });

  it("[6.14] an account ends at once with the words, after a day without, unless that is cancelled", async () => {
    const [alice, bob] = await two();
    const name = alice.client.name!;
    const ends = await alice.client.account.delete();
    assert.ok(ends > house.now() && ends <= house.now() + 26 * 3600);
    assert.equal(alice.client.account.endsAt, ends);
    assert.equal(await alice.client.account.delete(), ends);
    await alice.client.account.cancelDeletion();
    assert.equal(alice.client.account.endsAt, undefined);
    await pass(2 * DAY);
    await bob.client.requestContact(name);

    const words = alice.client.account.recoveryWords()!;
    await assert.rejects(alice.client.account.delete(bob.client.account.recoveryWords()), { code: "auth/signature" });
    assert.equal(await alice.client.account.delete(words), 0);
    await assert.rejects(bob.client.requestContact(name), { code: "contact/unknown-name" });
    assert.ok(kinds(await alice.sync()).includes("accountEnded"));
    await bob.client.account.delete();
    await pass(2 * DAY);
    assert.ok(kinds(await bob.sync()).includes("accountEnded"));
  });

  it("[9.10] a refusal reaches who asked, and is a request like any other to the house", async () => {
    const [alice, bob] = [await known("alice"), await known("bob")];
    await alice.client.requestContact(bob.client.name!);
    await bob.sync();
    await bob.client.refuse(bob.client.contactRequests()[0]!);
    assert.deepEqual(bob.client.contactRequests(), []);
    assert.deepEqual(await alice.sync(), [{ kind: "contactRefused", name: bob.client.name! }]);
    assert.deepEqual(await bob.sync(), []);
    // It may be asked again.
    await befriend(alice, bob);
    assert.equal(alice.client.contacts().length, 1);
  });

  it("[9.11] who is blocked gets nothing through, and cannot add this client with what it knew", async () => {
    const [alice, bob] = await two();
    const carol = await known("carol");
    await befriend(alice, carol);
    const trio = await gather([alice, bob, carol]);
    await alice.client.block(bob.client.name!);
    assert.deepEqual(alice.client.blocked(), [bob.client.name]);
    assert.deepEqual(
      alice.client.contacts().map(({ name }) => name),
      [carol.client.name],
    );
    await alice.sync();
    await carol.sync();
    const pair = bob.client.groups().find((group) => group.members().length === 2)!;
    await pair.send("can you hear me?");
    await trio.of(bob).send("and here?");
    await bob.client.requestContact(alice.client.name!);
    assert.deepEqual(await alice.sync(), []);
    assert.deepEqual(texts(await carol.sync()), [`${bob.client.name}: and here?`]);
    await assert.rejects(bob.client.createGroup([contact(bob, alice.client.name!)]), { code: "queue/no-key-package" });
    await assert.rejects(alice.client.requestContact(bob.client.name!), { code: "contact/blocked" });
    // Others were told how alice is reached now.
    await carol.client.createGroup([contact(carol, alice.client.name!)]);
    assert.deepEqual(kinds(await alice.sync()), ["joinedGroup"]);
    await alice.restart();
    assert.deepEqual(alice.client.blocked(), [bob.client.name]);
    await alice.client.unblock(bob.client.name!);
    await pair.send("and now?");
    assert.deepEqual(texts(await alice.sync()), [`${bob.client.name}: and now?`]);
  });

  it("[9.12] a profile is open to contacts, and to nobody else", async () => {
    const [alice, bob] = await two();
    assert.equal(await bob.client.profile(contact(bob, alice.client.name!)), undefined);
    const avatar = Buffer.alloc(9000, 7);
    await alice.client.account.setProfile({ displayName: "Alice A.", avatar });
    const seen = await bob.client.profile(contact(bob, alice.client.name!));
    assert.deepEqual(seen, { displayName: "Alice A.", avatar });
    const { opened } = await house.dump();
    assert.ok(opened.every(({ value }) => !Buffer.from(value).includes("Alice A.")));
    await alice.client.account.setProfile({ displayName: "A", avatar: Buffer.alloc(0) });
    assert.equal((await bob.client.profile(contact(bob, alice.client.name!)))?.displayName, "A");
    await alice.client.account.setProfile(undefined);
    assert.equal(await bob.client.profile(contact(bob, alice.client.name!)), undefined);
    const long = { displayName: "A", avatar: Buffer.alloc(28672) };
    await assert.rejects(alice.client.account.setProfile(long), { code: "account/profile" });
  });

  it("[9.5] presence and what was read are told only when the app asks", async () => {
    const [alice, bob] = await two();
    assert.deepEqual(await bob.sync(), []);
    await alice.group.tell("presence", "here");
    await alice.group.tell("read", "up to 3");
    const events = (await bob.sync()).map((event) =>
      event.kind === "presence" || event.kind === "read" ? [event.kind, event.from, event.text] : [event.kind],
    );
    assert.deepEqual(events, [
      ["presence", alice.client.name, "here"],
      ["read", alice.client.name, "up to 3"],
    ]);
    await assert.rejects(alice.group.tell("read", "x".repeat(257)), { code: "client/text-length" });
  });

  it("[6.18] an alias is asked, and accepting tells whose it is", async () => {
    const [alice, bob] = [await known("alice"), await known("bob")];
    await alice.client.account.createAlias(`mask${count}`, 7);
    assert.equal(alice.client.account.aliases().length, 1);
    await bob.client.requestContact(`mask${count}`);
    assert.deepEqual(await alice.sync(), [{ kind: "contactRequest", name: bob.client.name! }]);
    await alice.restart();
    await alice.client.accept(alice.client.contactRequests()[0]!);
    assert.deepEqual(kinds(await bob.sync()), ["joinedGroup", "contactAdded"]);
    assert.deepEqual(
      bob.client.contacts().map(({ name }) => name),
      [alice.client.name],
    );
    await bob.group.send("so it was you");
    assert.deepEqual(texts(await alice.sync()), [`${bob.client.name}: so it was you`]);
    await assert.rejects(bob.client.account.createAlias(`mask${count}`, 7), { code: "account/taken" });
    await alice.client.account.deleteAlias(`mask${count}`);
    assert.deepEqual(alice.client.account.aliases(), []);
    await assert.rejects(bob.client.requestContact(`mask${count}`), { code: "contact/unknown-name" });
    await assert.rejects(alice.client.account.deleteAlias(`mask${count}`), { code: "account/unknown-alias" });
  });
});
