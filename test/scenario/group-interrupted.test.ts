// Changes of a group by a client that dies at any of its requests: they happen once, and everybody stays in step.
import assert from "node:assert/strict";
import { flaky, type Flaky } from "../client/flaky-transport.ts";
import { fill } from "../client/full-queue.ts";
import { befriend, gather, namesIn, settled, texts, type Circle, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

describe("scenario: changes of a group, interrupted", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let ours: Circle;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  let wire: Flaky;

  beforeEach(async () => {
    house = await startTestHouse();
    alice = await settled(house, "alice", (transport) => (wire = flaky(transport)));
    [bob, carol] = [await settled(house, "bob"), await settled(house, "carol")];
    await befriend(alice, bob);
    await befriend(alice, carol);
  });
  afterEach(async () => {
    for (const someone of [alice, bob, carol]) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

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

  /** Lets alice die at each request of `work` from `first` on, in a new group each time, until one is too late. */
  async function atEach(
    first: number,
    loss: "lose-request" | "lose-reply",
    prepare: () => Promise<void>,
    work: () => Promise<unknown>,
    then: () => Promise<void>,
  ): Promise<void> {
    for (let dies = first, finished = false; !finished; dies++) {
      assert.ok(dies < 12);
      for (const someone of [alice, bob, carol]) await someone.sync();
      ours = await gather([alice, bob, carol]);
      for (const someone of [bob, carol]) await someone.sync();
      await prepare();
      let asked = 0;
      wire.loss = "tor/closed";
      wire.plan = (post) => {
        // Of the delivery service; what else is asked goes its way until then.
        if (asked >= dies) return "lose-request";
        if (wire.posts[post - 1]?.circuit.startsWith("group:") === true) asked++;
        return asked < dies ? "pass" : loss;
      };
      await work().catch(() => undefined);
      finished = asked < dies;
      wire.plan = () => "pass";
      await alice.restart();
      await alice.sync();
      await then();
    }
  }
  const nothing = async (): Promise<void> => undefined;

  for (const loss of ["lose-request", "lose-reply"] as const) {
    it(`[8.8] leaving (${loss})`, () =>
      atEach(
        1,
        loss,
        nothing,
        () => ours.of(alice).leave(),
        async () => {
          // Saved before anything was asked: from then on it goes on by itself.
          for (const someone of [bob, carol, alice, bob, carol]) await someone.sync();
          assert.ok(!ours.isMember(alice));
          assert.deepEqual(namesIn(ours.of(bob)), ["bob", "carol"]);
          await inStep(bob, carol);
        },
      ));

    it(`[8.4] removing and naming admins (${loss})`, () =>
      atEach(
        1,
        loss,
        nothing,
        async () => {
          await ours.of(alice).setAdmin("bob", true);
          await ours.of(alice).remove("carol");
        },
        async () => {
          for (const someone of [bob, carol, alice]) await someone.sync();
          assert.deepEqual(namesIn(ours.of(alice)), namesIn(ours.of(bob)));
          assert.deepEqual(namesIn(ours.of(alice), "admins"), namesIn(ours.of(bob), "admins"));
          await inStep(...[alice, bob, carol].filter((someone) => ours.isMember(someone)));
        },
      ));

    it(`[8.14] ending a group (${loss})`, () =>
      atEach(
        1,
        loss,
        nothing,
        () => ours.of(alice).delete(),
        async () => {
          for (const someone of [bob, carol]) await someone.sync();
          // All of them are members, or none.
          assert.ok(ours.isMember(alice) === ours.isMember(bob) && ours.isMember(alice) === ours.isMember(carol));
          if (ours.isMember(alice)) await inStep(alice, bob, carol);
        },
      ));

    it(`[8.16] coming back (${loss})`, () =>
      atEach(
        // The first three ask whether the groups, these and the pairs', are where they were.
        4,
        loss,
        async () => {
          await ours.of(alice).setAdmin("bob", true);
          await bob.sync();
          await carol.sync();
          await fill(house, alice);
          await ours.of(bob).setAdmin("alice", false);
          await carol.sync();
        },
        async () => {
          await alice.sync();
        },
        async () => {
          // The attempt that was broken off is made again after a while.
          await house.advance(700);
          for (const someone of [alice, bob, carol]) await someone.sync();
          assert.equal(ours.of(alice).health, "good");
          assert.deepEqual(namesIn(ours.of(alice), "admins"), ["bob"]);
          await inStep(alice, bob, carol);
          await ours.of(bob).delete();
        },
      ));
  }
});
