import assert from "node:assert/strict";
import { startTestHouse, type TestHouse } from "../house.ts";
import { flaky, type Flaky } from "./flaky-transport.ts";
import { befriend, person, settled, texts, type Person } from "./people.ts";

describe("client/call", function () {
  this.timeout(30_000);
  let house: TestHouse;
  let wire: Flaky;
  let someone: Person;

  beforeEach(async () => {
    house = await startTestHouse();
    someone = await person(house, (transport) => (wire = flaky(transport)));
  });
  afterEach(async () => {
    await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });
  const register = (name = "alice"): Promise<void> => someone.client.register(house.invite()[0]!, name);

  it("repeats a request whose reply was lost, on a fresh circuit and under a fresh seal, and gets the same answer", async () => {
    wire.plan = (post) => (post === 1 ? "lose-reply" : "pass");
    await register();
    assert.equal(someone.client.name, "alice");
    const [first, second] = wire.posts;
    assert.equal(first!.circuit, second!.circuit);
    assert.deepEqual(wire.closedCircuits, ["account"]);
    assert.equal(first!.body.length, second!.body.length);
    assert.notDeepEqual(first!.body.subarray(8, 40), second!.body.subarray(8, 40));
    // The account is there and the one it says: it can act.
    await someone.client.drawTokens();
  });

  it("gives up after four tries, and a later call goes on with the same request", async () => {
    wire.plan = () => "lose-reply";
    const [invitation] = house.invite();
    await assert.rejects(someone.client.register(invitation!, "alice"), { code: "tor/lost" });
    assert.equal(wire.posts.length, 4);
    assert.equal(someone.client.name, undefined);
    wire.plan = () => "pass";
    await someone.restart();
    await someone.client.register(invitation!, "alice");
    assert.equal(someone.client.name, "alice");
  });

  it("fetches the directory once more when its envelope key has gone", async () => {
    await register();
    assert.equal(wire.gets.length, 1);
    await house.advance(3600);
    await someone.client.drawTokens();
    // One for the refused key, one because drawing looks at the issuers of now.
    assert.equal(wire.gets.length, 2);
    await house.advance(3600);
    await someone.client.sync();
    assert.equal(wire.gets.length, 3);
  });

  it("goes on after the house was restarted", async () => {
    await register();
    await house.restart();
    await someone.client.drawTokens();
  });

  it("adopts the server's time window when its own clock is hours off", async () => {
    const invitation = house.invite()[0]!;
    await someone.client.close();
    const { openClient } = await import("../../src/client/index.ts");
    const { randomBytes } = await import("../../src/crypto/random.ts");
    const clock = (): number => house.now() - 3 * 3600;
    const { transport, onion } = { transport: wire, onion: house.onion };
    const statePath = `${someone.statePath}/late`;
    const late = await openClient({ transport, onion, statePath, deviceKey: randomBytes(32), clock });
    try {
      await late.register(invitation, "late");
      const before = wire.posts.length;
      await late.drawTokens();
      // Adopted once and kept: no request after the first had to be repeated.
      assert.equal(wire.posts.length - before, 4);
    } finally {
      await late.close();
    }
  });

  it("says what the server refuses, and what it cannot be asked", async () => {
    await assert.rejects(register("Alice"), { code: "account/name" });
    await assert.rejects(someone.client.drawTokens(), { code: "client/not-registered" });
    await assert.rejects(someone.client.register("not an invitation", "alice"), { code: "token/invalid" });
    const [used] = house.invite();
    const other = await person(house);
    await other.client.register(used!, "other");
    await assert.rejects(someone.client.register(used!, "alice"), { code: "token/spent" });
    await assert.rejects(register("other"), { code: "account/taken" });
    await register();
    await assert.rejects(someone.client.createInbox(), { code: "client/no-tokens" });
    await other.stop();
  });

  it("uses each circuit for one purpose, and each anonymous redemption has one of its own", async () => {
    await register();
    await someone.client.drawTokens();
    await someone.client.createInbox();
    const [bob, carol] = [await settled(house, "bob"), await settled(house, "carol")];
    await befriend(someone, bob);
    await someone.client.requestContact("carol");
    await befriend(carol, someone);
    for (const group of someone.client.groups()) await group.send("hello");
    assert.deepEqual(texts(await bob.sync()), ["alice: hello"]);

    const labels = wire.posts.map(({ circuit }) => circuit);
    const distinct = [...new Set(labels)];
    const purposes = distinct.map((label) => label.split(":")[0]);
    assert.deepEqual(
      new Set(purposes),
      new Set(["account", "issuance", "queue", "discover", "connect", "claim", "reserve", "group"]),
    );
    for (const purpose of ["account", "issuance", "queue"]) assert.ok(distinct.includes(purpose));
    for (const label of distinct.filter((l) => /^(?:discover|connect|claim|reserve):/.test(l))) {
      assert.equal(labels.filter((other) => other === label).length, 1);
      assert.ok(wire.closedCircuits.includes(label));
    }
    assert.equal(purposes.filter((purpose) => purpose === "discover").length, 2);
    assert.equal(purposes.filter((purpose) => purpose === "group").length, 2);
    await bob.stop();
    await carol.stop();
  });
});
