// From nothing to a conversation, each step named as the protocol names it.
import assert from "node:assert/strict";
import { person, texts, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const names = (someone: Person): (string | undefined)[] =>
  someone.group
    .members()
    .map(({ name }) => name)
    .toSorted((a = "", b = "") => a.localeCompare(b));

for (const restarts of [false, true]) {
  describe(`scenario: a conversation${restarts ? ", every client restarted from disk after each step" : ""}`, function () {
    this.timeout(60_000);
    let house: TestHouse;
    let alice: Person;
    let bob: Person;
    let carol: Person;

    before(async () => {
      house = await startTestHouse();
      [alice, bob, carol] = [await person(house), await person(house), await person(house)];
    });
    afterEach(async () => {
      if (!restarts) return;
      for (const someone of [alice, bob, carol]) await someone.restart();
    });
    after(async () => {
      for (const someone of [alice, bob, carol]) await someone.stop();
      assert.equal(house.arenas.open, 0);
      await house.stop();
    });

    it("register", async () => {
      const invitations = house.invite(3);
      await alice.client.register(invitations[0]!, "alice");
      await bob.client.register(invitations[1]!, "bob");
      await carol.client.register(invitations[2]!, "carol");
      assert.equal(alice.client.name, "alice");
      await assert.rejects(alice.client.register(invitations[0]!, "alice"), { code: "client/registered" });
    });

    it("draw tokens", async () => {
      for (const { client } of [alice, bob, carol]) await client.drawTokens();
    });

    it("create a queue and publish KeyPackages", async () => {
      for (const { client } of [alice, bob, carol]) await client.createInbox();
    });

    it("discover and request", async () => {
      await alice.client.requestContact("bob");
      await assert.rejects(alice.client.requestContact("nobody"), { code: "contact/unknown-name" });
      assert.deepEqual(await bob.sync(), [{ kind: "contactRequest", name: "alice" }]);
    });

    it("accept", async () => {
      const [request] = bob.client.contactRequests();
      const group = await bob.client.accept(request!);
      assert.equal(group.members().length, 2);
      assert.deepEqual(
        bob.client.contacts().map(({ name }) => name),
        ["alice"],
      );
      assert.deepEqual(bob.client.contactRequests(), []);
      const events = await alice.sync();
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ["joinedGroup", "contactAdded"],
      );
      assert.deepEqual(
        alice.client.contacts().map(({ name }) => name),
        ["bob"],
      );
      assert.deepEqual(names(alice), ["alice", "bob"]);
    });

    it("talk in both directions", async () => {
      await alice.group.send("hello bob");
      await alice.group.send("are you there?");
      assert.deepEqual(texts(await bob.sync()), ["alice: hello bob", "alice: are you there?"]);
      await bob.group.send("yes");
      assert.deepEqual(texts(await alice.sync()), ["bob: yes"]);
    });

    it("add a third member", async () => {
      await alice.client.requestContact("carol");
      await carol.sync();
      await carol.client.accept(carol.client.contactRequests()[0]!);
      await alice.sync();
      const carolsGroup = carol.group;
      assert.equal(carolsGroup.members().length, 2);
      const [pair] = alice.client.groups().filter((g) => g.members().some(({ name }) => name === "bob"));
      await pair!.add(alice.client.contacts().find(({ name }) => name === "carol")!);
      const joined = await carol.sync();
      assert.deepEqual(
        joined.map(({ kind }) => kind),
        ["joinedGroup"],
      );
      const events = await bob.sync();
      assert.deepEqual(
        events.map((e) => (e.kind === "memberAdded" ? e.name : e.kind)),
        ["carol"],
      );
      assert.deepEqual(names(bob), ["alice", "bob", "carol"]);
    });

    const trio = (someone: Person) =>
      someone.client.groups().find((group) => group.members().some(({ name }) => name === "bob"))!;

    it("talk among three", async () => {
      await trio(carol).send("hello all");
      assert.deepEqual(texts(await bob.sync()), ["carol: hello all"]);
      assert.deepEqual(texts(await alice.sync()), ["carol: hello all"]);
    });

    it("remove the third member, who can read nothing further", async () => {
      await trio(alice).remove("carol");
      await trio(alice).send("only for bob");
      const bobs = await bob.sync();
      assert.deepEqual(texts(bobs), ["alice: only for bob"]);
      assert.ok(bobs.some((e) => e.kind === "memberRemoved" && e.name === "carol"));
      const carols = await carol.sync();
      assert.deepEqual(
        carols.map(({ kind }) => kind),
        ["removedFromGroup"],
      );
      assert.equal(carol.client.groups().length, 1);
      await bob.group.send("back to two");
      assert.deepEqual(await carol.sync(), []);
      assert.deepEqual(texts(await alice.sync()), ["bob: back to two"]);
    });

    it("offline delivery", async () => {
      await bob.client.close();
      for (let i = 1; i <= 5; i++) await trio(alice).send(`while you were away ${i}`);
      await bob.restart();
      assert.deepEqual(
        texts(await bob.sync()),
        [1, 2, 3, 4, 5].map((i) => `alice: while you were away ${i}`),
      );
    });

    it("a message wakes a waiting reader", async () => {
      const waiting = bob.client.sync({ wait: 20 });
      const started = performance.now();
      await trio(alice).send("wake up");
      assert.deepEqual(texts(await waiting), ["alice: wake up"]);
      assert.ok(performance.now() - started < 10_000);
    });
  });
}
