// A queue that was full: what the server dropped cannot come any more, so its owner must be told.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import type { Call } from "../../src/services/ports.ts";
import { QueueHandles } from "../../src/services/queue/handle.ts";
import { makeQueueService } from "../../src/services/queue/service.ts";
import { ITEM_MAX } from "../../src/wire/documents.ts";
import { operations } from "../../src/wire/operations.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { befriend, settled, texts, type Person } from "./people.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

/** Puts so much into somebody's queue that no message has room behind it; the client can read nothing of it. */
async function fill(house: TestHouse, someone: Person): Promise<void> {
  const { domain, handleKey } = house.serving.house.identity;
  const queueId = someone.client.identifiers().find(({ what }) => what === "queue id")!.bytes;
  const arena = house.arenas.arena();
  try {
    const handles = new QueueHandles(handleKey, domain).mint(arena, queueId, 1);
    const count = Math.ceil(operations["qs.read"].limits.bytesPerQueue / ITEM_MAX);
    const fillers = Array.from({ length: count }, () => ({ handles, item: Buffer.alloc(ITEM_MAX, 0xff) }));
    const rest = Array.from({ length: 40 }, (_, i) => ({ handles, item: Buffer.alloc(ITEM_MAX >> (i / 4), 0xff) }));
    const { enqueue } = makeQueueService({ domain, handleKey });
    const as = (tx: Call["tx"]) => ({ tx, arena, now: house.now(), afterCommit: () => undefined }) as unknown as Call;
    for (const deliveries of [fillers, ...rest.map((one) => [one])]) {
      await house.store.transact(arena, (tx) => enqueue(as(tx), deliveries));
    }
  } finally {
    arena.close();
  }
}

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
});
