// A client that dies at any point of what it does goes on where it was: nothing is lost, nothing comes twice.
import assert from "node:assert/strict";
import { flaky, type Flaky } from "../client/flaky-transport.ts";
import { person, settled, texts, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

type Loss = "lose-request" | "lose-reply";

describe("scenario: interruption", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let count = 0;

  before(async () => {
    house = await startTestHouse();
  });
  after(async () => {
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  /** Runs `work`; the process "dies" at its `dies`-th post: nothing gets out any more, and it starts again from disk. */
  async function dying(mortal: Person, wire: Flaky, dies: number, loss: Loss, work: () => Promise<unknown>) {
    const start = wire.posts.length;
    wire.loss = "tor/closed";
    wire.plan = (post) => (post - start < dies ? "pass" : post - start === dies ? loss : "lose-request");
    const finished = await work().then(
      () => true,
      () => false,
    );
    wire.plan = () => "pass";
    await mortal.restart();
    return finished;
  }

  async function mortalAnd(): Promise<{ alice: Person; bob: Person; wire: Flaky }> {
    let wire: Flaky | undefined;
    const alice = await person(house, (transport) => (wire = flaky(transport)));
    const n = ++count;
    await alice.client.register(house.invite()[0]!, `alice${n}`);
    await alice.client.drawTokens();
    await alice.client.createInbox();
    const bob = await settled(house, `bob${n}`);
    return { alice, bob, wire: wire! };
  }

  for (const loss of ["lose-request", "lose-reply"] as const) {
    it(`sending a message (${loss})`, async () => {
      const { alice, bob, wire } = await mortalAnd();
      await bob.client.requestContact(alice.client.name!);
      await alice.sync();
      await alice.client.accept(alice.client.contactRequests()[0]!);
      await bob.sync();
      assert.equal(await dying(alice, wire, 1, loss, () => alice.group.send("first")), false);
      await alice.sync();
      await alice.group.send("second");
      assert.deepEqual(
        texts(await bob.sync()),
        ["first", "second"].map((text) => `${alice.client.name}: ${text}`),
      );
      await bob.group.send("third");
      assert.equal(await dying(alice, wire, 1, loss, () => alice.client.sync()), false);
      assert.deepEqual(texts(await alice.sync()), [`${bob.client.name}: third`]);
      await alice.stop();
      await bob.stop();
    });

    it(`accepting a contact, at each of its requests (${loss})`, async () => {
      const { alice, bob, wire } = await mortalAnd();
      let finished = false;
      for (let dies = 1; !finished; dies++) {
        assert.ok(dies < 20);
        await bob.client.requestContact(alice.client.name!);
        await alice.sync();
        const accept = async (): Promise<unknown> => alice.client.accept(alice.client.contactRequests()[0]!);
        finished = await dying(alice, wire, dies, loss, accept);
        await alice.sync();
        // Died before the commit that makes it a contact was saved: the request is still there.
        if (alice.client.contactRequests().length > 0) await accept();
        const events = await bob.sync();
        assert.deepEqual(
          events.map(({ kind }) => kind),
          ["joinedGroup", "contactAdded"],
          `died at request ${dies}`,
        );
        const newest = alice.client.groups().findLast((group) => group.members().length === 2)!;
        await newest.send("hello");
        await bob.client.groups().at(-1)!.send("hello too");
        assert.deepEqual(texts(await bob.sync()), [`${alice.client.name}: hello`]);
        assert.deepEqual(texts(await alice.sync()), [`${bob.client.name}: hello too`]);
      }
      await alice.stop();
      await bob.stop();
    });
  }

  it("a message that was sent, but answered to a client long dead, comes once", async () => {
    const { alice, bob, wire } = await mortalAnd();
    await bob.client.requestContact(alice.client.name!);
    await alice.sync();
    await alice.client.accept(alice.client.contactRequests()[0]!);
    await bob.sync();
    assert.equal(await dying(alice, wire, 1, "lose-reply", () => alice.group.send("once")), false);
    await house.advance(7200);
    await alice.sync();
    await alice.group.send("and on");
    assert.deepEqual(
      texts(await bob.sync()),
      ["once", "and on"].map((text) => `${alice.client.name}: ${text}`),
    );
    await alice.stop();
    await bob.stop();
  });

  it("an event is given again until the app has come back for more", async () => {
    const { alice, bob } = await mortalAnd();
    await bob.client.requestContact(alice.client.name!);
    const expected = [{ kind: "contactRequest", name: bob.client.name }];
    assert.deepEqual(await alice.client.sync(), expected);
    await alice.restart();
    assert.deepEqual(await alice.client.sync(), expected);
    assert.deepEqual(await alice.client.sync(), []);
    await alice.restart();
    assert.deepEqual(await alice.client.sync(), []);
    await alice.stop();
    await bob.stop();
  });

  it("two members who change a group at the same time both get their way", async () => {
    const { alice, bob } = await mortalAnd();
    const carol = await settled(house, `carol${count}`);
    const dave = await settled(house, `dave${count}`);
    for (const [asks, asked] of [
      [alice, carol],
      [alice, bob],
      [bob, dave],
    ] as const) {
      await asks.client.requestContact(asked.client.name!);
      await asked.sync();
      await asked.client.accept(asked.client.contactRequests()[0]!);
      await asks.sync();
    }
    const contact = (of: Person, who: Person) => of.client.contacts().find(({ name }) => name === who.client.name)!;
    const withBoth = (of: Person) =>
      of.client
        .groups()
        .find(
          (g) =>
            g.members().some(({ name }) => name === alice.client.name) &&
            g.members().some(({ name }) => name === bob.client.name),
        )!;
    const [atAlice, atBob] = [withBoth(alice), withBoth(bob)];
    await Promise.all([atAlice.add(contact(alice, carol)), atBob.add(contact(bob, dave)), atAlice.send("meanwhile")]);
    for (const someone of [alice, bob, carol, dave]) await someone.sync();
    const names = [alice, bob, carol, dave].map(({ client }) => client.name!).toSorted((a, b) => a.localeCompare(b));
    for (const group of [atAlice, atBob, withBoth(carol), withBoth(dave)]) {
      assert.deepEqual(
        group
          .members()
          .map(({ name }) => name ?? "?")
          .toSorted((a, b) => a.localeCompare(b)),
        names,
      );
    }
    await atBob.send("all four");
    for (const someone of [alice, carol, dave]) {
      assert.ok(texts(await someone.sync()).includes(`${bob.client.name}: all four`));
    }
    for (const someone of [alice, bob, carol, dave]) await someone.stop();
  });
});
