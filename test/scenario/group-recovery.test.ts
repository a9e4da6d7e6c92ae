// Members who lost step, by a full queue or by a member that means harm, and how they come back.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { deliver } from "../../src/client/group-outbox.ts";
import { draft, keep } from "../../src/client/group-request.ts";
import { catchUp } from "../../src/client/read-queue.ts";
import { apart } from "../client/apart.ts";
import { fill } from "../client/full-queue.ts";
import { befriend, circle, gather, namesIn, settled, texts, type Circle, type Person } from "../client/people.ts";
import { spoiledCommit, type Spoil } from "../client/spoiled.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);
const about = (events: readonly ClientEvent[]): string[] =>
  kinds(events).filter((kind) => kind.startsWith("group") || kind === "missedMessages");

describe("scenario: members who lost step", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let ours: Circle;
  let mallory: Person;
  let alice: Person;
  let bob: Person;
  let carol: Person;

  before(async () => {
    house = await startTestHouse();
    const { people } = await circle(house, ["mallory", "alice", "bob", "carol"]);
    [mallory, alice, bob, carol] = people as [Person, Person, Person, Person];
  });
  beforeEach(async () => {
    for (const someone of [mallory, alice, bob, carol]) await someone.sync();
    ours = await gather([mallory, alice, bob, carol]);
  });
  after(async () => {
    for (const someone of [mallory, alice, bob, carol]) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  /** Everything that comes to these while time passes for their attempts. */
  const settle = async (people: readonly Person[], rounds = 2): Promise<Map<Person, ClientEvent[]>> => {
    const told = new Map<Person, ClientEvent[]>(people.map((someone) => [someone, []]));
    for (let round = 0; round < rounds; round++) {
      for (const someone of people) told.get(someone)!.push(...(await someone.sync()));
      await house.advance(700);
    }
    return told;
  };
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

  const spoil = async (how: Spoil): Promise<void> => {
    const { id } = ours.of(mallory);
    await apart(house, mallory, async (parts) => {
      await catchUp(parts);
      await spoiledCommit(parts, parts.groups.find(id)!, how);
    });
  };

  it("[8.16] a member whose queue was full finds the group again, also after removals, and reads on", async () => {
    await fill(house, carol);
    await ours.of(mallory).setAdmin("alice", true);
    await alice.sync();
    await ours.of(alice).remove("bob");
    await mallory.sync();
    await ours.of(mallory).send("unheard");
    const told = await settle([carol]);
    assert.deepEqual(about(told.get(carol)!), ["missedMessages", "groupDiverged", "groupRecovered"]);
    await ours.of(alice).send("in between");
    assert.deepEqual(texts((await settle([carol])).get(carol)!), ["alice: in between"]);
    await settle([mallory, alice]);
    assert.deepEqual(namesIn(ours.of(carol)), ["alice", "carol", "mallory"]);
    await inStep(mallory, alice, carol);
  });

  it("[8.16] a commit with a dead path strands nobody for long", async () => {
    await spoil({ path: true });
    const told = await settle([alice, bob, carol], 3);
    for (const events of told.values()) assert.deepEqual(about(events), ["groupDiverged", "groupRecovered"]);
    await mallory.sync();
    await inStep(alice, bob, carol, mallory);
  });

  it("[8.16] nor does a commit with another key than the members derive", async () => {
    await spoil({ key: true });
    await settle([alice, bob, carol], 1);
    await assert.rejects(ours.of(alice).send("into the void"), { code: "group/diverged" });
    assert.equal(ours.of(alice).health, "diverged");
    const told = await settle([alice, bob, carol], 3);
    assert.deepEqual(about(told.get(alice)!), ["groupDiverged", "groupRecovered"]);
    // What could not be sent then has been sent by now, once.
    assert.deepEqual(texts(told.get(bob)!), ["alice: into the void"]);
    await mallory.sync();
    await inStep(alice, bob, carol, mallory);
  });

  it("[8.11] a proposal that only the house takes for one does not keep the others from changing the group", async () => {
    await ours.of(mallory).setAdmin("alice", true);
    await alice.sync();
    const { id } = ours.of(mallory);
    await apart(house, mallory, async (parts) => {
      await catchUp(parts);
      const held = parts.groups.find(id)!;
      const mls = held.state.mls!;
      const { proposal } = await mls.leave();
      const forged = Uint8Array.from(proposal);
      forged[forged.length - 1]! ^= 1; // the membership tag, which only members can check
      const request = { groupId: id, groupKey: await mls.groupKey(), leaf: mls.ownLeaf, proposal: forged };
      await draft(parts, "ds.leave", request, (pending) => keep(parts, held, { ...held.state, pending }));
      assert.equal(await deliver(parts, held), "done");
    });
    await ours.of(alice).setAdmin("bob", true);
    for (const someone of [bob, carol, alice]) await someone.sync();
    for (const someone of [alice, bob, carol]) {
      assert.deepEqual(namesIn(ours.of(someone)), ["alice", "bob", "carol"]);
      assert.deepEqual(namesIn(ours.of(someone), "admins"), ["alice", "bob"]);
    }
    await inStep(alice, bob, carol);
  });

  it("[8.15] where no key leads on, more than half of the others go back, and nobody is put out by it", async () => {
    await ours.of(bob).leave();
    await spoil({ path: true, key: true });
    const told = await settle([alice, carol, bob], 4);
    assert.deepEqual(about(told.get(alice)!), ["groupDiverged", "groupRecovered"]);
    assert.deepEqual(about(told.get(carol)!), ["groupDiverged", "groupRecovered"]);
    assert.ok(!ours.isMember(bob));
    await settle([alice, carol], 2);
    assert.deepEqual(namesIn(ours.of(alice)), ["alice", "carol", "mallory"]);
    // Mallory is a member as before, though its own leaf is one that the group has never seen.
    await inStep(alice, carol);
  });

  it("[9.8] who finds the group in a newcomer's hands waits for somebody it knows, and undoes nothing", async () => {
    const dave = await settled(house, "dave");
    await befriend(mallory, dave);
    ours = await gather([mallory, alice, bob, carol], { membersMayAdd: true });
    // As no admin: what a newcomer of an admin's does cannot be undone anyway.
    await ours.of(mallory).setAdmin("alice", true);
    await ours.of(mallory).setAdmin("mallory", false);
    for (const someone of [alice, bob, carol]) await someone.sync();
    await inStep(alice, bob, carol, mallory);
    const lost = [alice, bob, carol];
    for (const someone of lost) await fill(house, someone);
    await ours.of(mallory).add(mallory.client.contacts().find(({ name }) => name === "dave")!);
    await dave.sync();
    const { id } = ours.of(mallory);
    await apart(house, dave, (parts) => spoiledCommit(parts, parts.groups.find(id)!, {}));
    const told = new Map(lost.map((someone) => [someone, [] as ClientEvent[]]));
    // More attempts than would count, and as many votes as would put the group back.
    for (let round = 0; round < 7; round++) {
      for (const [someone, events] of told) events.push(...(await someone.sync()));
      await house.advance(2 * 86_400);
    }
    for (const [someone, events] of told) {
      assert.deepEqual(about(events), ["missedMessages", "groupDiverged"]);
      assert.equal(ours.of(someone).health, "diverged");
    }
    assert.equal(ours.of(mallory).health, "good");
    await spoil({});
    for (const someone of lost) assert.deepEqual(about(await someone.sync()), ["groupRecovered"]);
    for (const someone of [mallory, dave, ...lost]) await someone.sync();
    for (const someone of [mallory, dave, ...lost]) assert.equal(ours.of(someone).members().length, 5);
    await inStep(alice, bob, carol, mallory);
    await dave.stop();
  });

  it("[8.15] an admin who puts others out so that they cannot follow leaves them stuck, until they are added anew", async () => {
    await ours.of(mallory).setAdmin("alice", true);
    for (const someone of [alice, bob, carol]) await someone.sync();
    const leaf = 2;
    await spoil({ path: true, key: true, remove: [leaf] });
    const told = new Map([alice, bob, carol].map((someone) => [someone, [] as ClientEvent[]]));
    for (let round = 0; round < 7; round++) {
      for (const [someone, events] of told) events.push(...(await someone.sync()));
      await house.advance(2 * 86_400);
    }
    const stuck = [...told].filter(([someone]) => ours.isMember(someone));
    assert.equal(stuck.length, 2);
    for (const [someone, events] of stuck) {
      assert.deepEqual(about(events), ["groupDiverged", "groupLost"]);
      assert.equal(ours.of(someone).health, "stuck");
    }
    // One of them forgets the group: nothing is asked for that.
    const [[someone]] = stuck as [[Person, ClientEvent[]]];
    await ours.of(someone).leave();
    assert.deepEqual(kinds(await someone.sync()), ["leftGroup"]);
    assert.ok(!ours.isMember(someone));
  });
});
