// A group that was blocked: the house drops what it sends, and the group learns nothing of it.
import assert from "node:assert/strict";
import { queueRecord } from "../../src/services/queue/records.ts";
import { decode } from "../../src/wire/codec.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { apart } from "./apart.ts";
import { circle, gather, texts, type Circle, type Person } from "./people.ts";

describe("client/blocklist", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let wanted: Circle;
  let unwanted: Circle;
  let alice: Person;
  let bob: Person;

  beforeEach(async () => {
    house = await startTestHouse();
    wanted = await circle(house, ["alice", "bob"]);
    [alice, bob] = wanted.people as [Person, Person];
    unwanted = await gather([alice, bob]);
  });
  afterEach(async () => {
    for (const someone of [alice, bob]) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  /** How many items a person's queue ever got. */
  async function got({ client }: Person): Promise<number> {
    const queueId = client.identifiers().find(({ what }) => what === "queue id")!.bytes;
    const arena = house.arenas.arena();
    try {
      const record = await house.store.read(arena, (view) => view.get("queue", queueId));
      return decode(queueRecord, record!).next - 1;
    } finally {
      arena.close();
    }
  }

  it("sends in vain, is told nothing, and other groups go on, also after restarts", async () => {
    await unwanted.of(alice).block();
    assert.equal(unwanted.isMember(alice), false);
    await house.restart();
    await alice.restart();
    await alice.sync();
    const before = await got(alice);
    await unwanted.of(bob).send("are you there?");
    assert.equal(await got(alice), before);
    assert.equal(unwanted.of(bob).members().length, 2);
    await wanted.of(bob).send("hello");
    assert.equal(await got(alice), before + 1); // control
    assert.deepEqual(texts(await alice.sync()), ["bob: hello"]);
    assert.deepEqual(await bob.sync(), []);
  });

  it("is blocked by the next sync when the first attempt was interrupted", async () => {
    const { id } = unwanted.of(alice);
    await apart(house, alice, async ({ blocklist, groups, inbox, session }) => {
      const mls = groups.find(id)!.state.mls!;
      const own = mls.members().find(({ leafIndex }) => leafIndex === mls.ownLeaf)!;
      blocklist.add(inbox.tagOf(own.pseudonym));
      await session.sections.save(blocklist.entry());
    });
    const before = await got(alice);
    await unwanted.of(bob).send("still heard");
    assert.equal(await got(alice), before + 1); // control
    await alice.sync();
    await unwanted.of(bob).send("no more");
    assert.equal(await got(alice), before + 1);
  });
});
