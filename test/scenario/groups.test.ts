// What members do with their group beside talking: roles, leaving, ending it.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { befriend, circle, gather, namesIn, settled, texts, type Circle, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

describe("scenario: groups", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let ours: Circle;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  const all = async (): Promise<ClientEvent[][]> => {
    const lists = [];
    for (const someone of ours.people) lists.push(await someone.sync());
    return lists;
  };

  let dave: Person;

  before(async () => {
    house = await startTestHouse();
    const { people } = await circle(house, ["alice", "bob", "carol"]);
    [alice, bob, carol] = people as [Person, Person, Person];
    dave = await settled(house, "dave");
    for (const someone of people) await befriend(someone, dave);
  });
  beforeEach(async () => {
    for (const someone of [alice, bob, carol, dave]) await someone.sync();
    ours = await gather([alice, bob, carol]);
  });
  after(async () => {
    for (const someone of [alice, bob, carol, dave]) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  /** All talk to all, which shows that they are in one epoch. */
  const inStep = async (...members: Person[]): Promise<void> => {
    for (const someone of members) {
      const text = `from ${someone.client.name} at ${Math.random()}`;
      await ours.of(someone).send(text);
      for (const other of members) {
        const expected = other === someone ? [] : [`${someone.client.name}: ${text}`];
        assert.deepEqual(texts(await other.sync()), expected);
      }
    }
  };

  it("[8.20] the founder is the admin; only admins add, remove, and name admins", async () => {
    assert.deepEqual(namesIn(ours.of(bob), "admins"), ["alice"]);
    ours.people.push(dave);
    const contact = bob.client.contacts().find(({ name }) => name === "dave")!;
    await assert.rejects(ours.of(bob).add(contact), { code: "group/not-admin" });
    await assert.rejects(ours.of(bob).remove("carol"), { code: "group/not-admin" });
    await assert.rejects(ours.of(bob).setAdmin("bob", true), { code: "group/not-admin" });
    await assert.rejects(ours.of(bob).delete(), { code: "group/not-admin" });

    await ours.of(alice).setAdmin("bob", true);
    await all();
    for (const someone of [alice, bob, carol]) assert.deepEqual(namesIn(ours.of(someone), "admins"), ["alice", "bob"]);
    await ours.of(bob).add(contact);
    await all();
    assert.deepEqual(namesIn(ours.of(dave)), ["alice", "bob", "carol", "dave"]);
    await ours.of(bob).setAdmin("alice", false);
    await all();
    await assert.rejects(ours.of(alice).remove("dave"), { code: "group/not-admin" });
    await assert.rejects(ours.of(bob).setAdmin("bob", false), { code: "group/policy" });
    await inStep(alice, bob, carol, dave);
  });

  it("[8.20] where members may add, they do not remove", async () => {
    ours = await gather([alice, bob, carol], { membersMayAdd: true });
    ours.people.push(dave);
    assert.ok(ours.of(carol).membersMayAdd);
    await ours.of(carol).add(carol.client.contacts().find(({ name }) => name === "dave")!);
    await assert.rejects(ours.of(carol).remove("bob"), { code: "group/not-admin" });
    await all();
    for (const someone of ours.people) assert.deepEqual(namesIn(ours.of(someone)), ["alice", "bob", "carol", "dave"]);
  });

  it("[8.8] who leaves is removed by somebody else's commit, and told", async () => {
    await ours.of(bob).send("good bye");
    await ours.of(bob).leave();
    assert.ok(ours.of(bob).leaving);
    const [alices, bobs, carols] = await all();
    assert.deepEqual(texts(alices!), ["bob: good bye"]);
    assert.deepEqual(kinds([...bobs!, ...(await bob.sync())]), ["leftGroup"]);
    assert.ok(!ours.isMember(bob));
    const told = [...alices!, ...carols!, ...(await carol.sync())].filter(({ kind }) => kind === "memberRemoved");
    // Alice's own commit tells herself nothing; carol has it from her.
    assert.ok(told.some((event) => event.kind === "memberRemoved" && event.name === "bob"));
    await inStep(alice, carol);
    await ours.of(alice).send("among us");
    assert.deepEqual(await bob.sync(), []);
  });

  it("[8.8] a group whose only admin leaves has another one", async () => {
    await ours.of(alice).leave();
    await bob.sync();
    await all();
    await all();
    assert.ok(!ours.isMember(alice));
    assert.equal(ours.of(bob).admins().length, 1);
    assert.deepEqual(namesIn(ours.of(bob), "admins"), namesIn(ours.of(carol), "admins"));
    await inStep(bob, carol);
  });

  it("[8.8] all leave, and the last one ends the group", async () => {
    await ours.of(alice).leave();
    await ours.of(bob).leave();
    await carol.sync();
    await all();
    assert.ok(!ours.isMember(alice) && !ours.isMember(bob));
    assert.deepEqual(namesIn(ours.of(carol)), ["carol"]);
    await ours.of(carol).leave();
    assert.deepEqual(kinds(await carol.sync()), ["leftGroup"]);
    assert.ok(!ours.isMember(carol));
  });

  it("[8.8] one who is leaving changes nothing any more, but may still be heard", async () => {
    await ours.of(alice).setAdmin("bob", true);
    await all();
    await ours.of(bob).leave();
    await assert.rejects(ours.of(bob).remove("carol"), { code: "group/leaving" });
    await ours.of(bob).send("last words");
    assert.deepEqual(texts(await carol.sync()), ["bob: last words"]);
    await all();
    await all();
    assert.ok(!ours.isMember(bob));
  });

  it("[8.14] an admin ends the group for everybody", async () => {
    await ours.of(alice).delete();
    assert.ok(!ours.isMember(alice));
    assert.deepEqual(kinds(await bob.sync()), ["memberRemoved", "removedFromGroup"]);
    assert.deepEqual(kinds((await carol.sync()).filter(({ kind }) => kind !== "memberRemoved")), ["removedFromGroup"]);
    assert.ok(!ours.isMember(bob) && !ours.isMember(carol));
    assert.deepEqual(await alice.sync(), []);
  });

  it("[8.7] a newcomer is introduced to the others by a message of its own", async () => {
    ours.people.push(dave);
    await ours.of(alice).add(alice.client.contacts().find(({ name }) => name === "dave")!);
    await all();
    for (const someone of ours.people) assert.deepEqual(namesIn(ours.of(someone)), ["alice", "bob", "carol", "dave"]);
    // The generations that only dave got are no gap to the others.
    await inStep(alice, bob, carol, dave);
  });
});
