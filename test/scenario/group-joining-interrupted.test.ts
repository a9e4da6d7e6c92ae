// Entering a group by a client that dies meanwhile.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { flaky, type Flaky } from "../client/flaky-transport.ts";
import { befriend, circle, gather, settled, texts, type Circle, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

describe("scenario: entering a group, interrupted", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let ours: Circle;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  let wire: Flaky;

  before(async () => {
    house = await startTestHouse();
    const { people } = await circle(house, ["alice", "bob"]);
    [alice, bob] = people as [Person, Person];
    carol = await settled(house, "carol", (transport) => (wire = flaky(transport)));
    await befriend(alice, carol);
  });
  beforeEach(async () => {
    for (const someone of [alice, bob, carol]) await someone.sync();
    ours = await gather([alice, bob]);
  });
  after(async () => {
    for (const someone of [alice, bob, carol]) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  const addCarol = (): Promise<void> =>
    ours.of(alice).add(alice.client.contacts().find(({ name }) => name === "carol")!);
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

  for (const loss of ["lose-request", "lose-reply"] as const) {
    it(`[8.9] who dies at any request of entering enters (${loss})`, async () => {
      for (let dies = 1, finished = false; !finished; dies++) {
        assert.ok(dies < 12);
        ours = await gather([alice, bob]);
        await bob.sync();
        await addCarol();
        await ours.of(alice).send("welcome");
        const start = wire.posts.length;
        wire.loss = "tor/closed";
        wire.plan = (post) => (post - start < dies ? "pass" : post - start === dies ? loss : "lose-request");
        finished = await carol.client.sync().then(
          () => wire.posts.length - start < dies,
          () => false,
        );
        wire.plan = () => "pass";
        await carol.restart();
        const events = await carol.sync();
        assert.deepEqual(texts(events), ["alice: welcome"], `died at ${dies}`);
        assert.equal(kinds(events).filter((kind) => kind === "joinedGroup").length, 1);
        await bob.sync();
        await inStep(alice, bob, carol);
      }
    });
  }
});
