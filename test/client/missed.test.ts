// A queue that was full: what the server dropped cannot come any more, so its owner must be told.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { fill } from "./full-queue.ts";
import { befriend, settled, texts, type Person } from "./people.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

describe("client: a queue that was full", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let alice: Person;
  let bob: Person;

  beforeEach(async () => {
    house = await startTestHouse();
    [alice, bob] = [await settled(house, "alice"), await settled(house, "bob")];
    await befriend(alice, bob);
    await alice.sync();
    await bob.sync();
  });
  afterEach(async () => {
    for (const someone of [alice, bob]) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  it("is told of once each time it overflows, also after a restart, and what comes later arrives", async () => {
    await bob.group.send("before");
    assert.deepEqual(texts(await alice.sync()), ["bob: before"]);
    for (const round of ["first", "second"]) {
      await fill(house, alice);
      await bob.group.send(`${round}: dropped`);
      // Given again, as the app was stopped before it asked for more.
      assert.deepEqual(kinds(await alice.client.sync()), ["missedMessages"]);
      await alice.restart();
      assert.deepEqual(kinds(await alice.sync()), ["missedMessages"]);
      await bob.group.send(`${round}: after`);
      await bob.group.send(`${round}: and on`);
      assert.deepEqual(texts(await alice.sync()), [`bob: ${round}: after`, `bob: ${round}: and on`]);
      assert.deepEqual(await alice.sync(), []);
    }
  });

  it("[7.6] whose items were too old goes on behind them, and is told of once", async () => {
    await bob.group.send("before");
    assert.deepEqual(texts(await alice.sync()), ["bob: before"]);
    for (const text of ["too old", "too old as well"]) await bob.group.send(text);
    await house.advance(38 * 86_400);
    for (const someone of [alice, bob]) await someone.restart();
    await bob.client.drawTokens();
    await bob.group.send("after");
    await alice.client.drawTokens();
    const events = await alice.sync();
    assert.equal(kinds(events).filter((kind) => kind === "missedMessages").length, 1);
    assert.deepEqual(texts(events), ["bob: after"]);
    await bob.group.send("and on");
    assert.deepEqual(texts(await alice.sync()), ["bob: and on"]);
  });
});
