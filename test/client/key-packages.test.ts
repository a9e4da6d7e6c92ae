// KeyPackages do not run out while their owner comes by: used up or over, fresh ones take their place.
import assert from "node:assert/strict";
import { queueRecord } from "../../src/services/queue/records.ts";
import { decode } from "../../src/wire/codec.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { apart } from "./apart.ts";
import { befriend, settled, type Person } from "./people.ts";

const DAY = 86_400;

describe("client/key-packages", function () {
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

  /** What the house holds of the person's. */
  async function kept({ client }: Person): Promise<{ keyPackages: number; keyPackagesUntil: number }> {
    const queueId = client.identifiers().find(({ what }) => what === "queue id")!.bytes;
    const arena = house.arenas.arena();
    try {
      const record = await house.store.read(arena, (view) => view.get("queue", queueId));
      const { keyPackages, keyPackagesUntil } = decode(queueRecord, record!);
      return { keyPackages, keyPackagesUntil };
    } finally {
      arena.close();
    }
  }
  /** Bob claims so many of alice's. */
  const claim = (count: number): Promise<void> =>
    apart(house, bob, async (parts) => {
      for (let i = 0; i < count; i++) await parts.keyPackages.claim(parts.contacts.get("alice"), parts.tokens);
    });

  it("are published anew when few are left, though no Welcome has come", async () => {
    await claim(5);
    await alice.sync();
    assert.equal((await kept(alice)).keyPackages, 3); // control: enough
    await claim(1);
    assert.equal((await kept(alice)).keyPackages, 2);
    await alice.sync();
    assert.equal((await kept(alice)).keyPackages, 8);
  });

  it("are published anew when half of their time is over", async () => {
    const { keyPackagesUntil } = await kept(alice);
    await house.advance(29 * DAY);
    await alice.sync();
    assert.equal((await kept(alice)).keyPackagesUntil, keyPackagesUntil); // control: not yet
    await house.advance(2 * DAY);
    await alice.restart();
    await alice.sync();
    assert.equal((await kept(alice)).keyPackagesUntil, keyPackagesUntil + 31);
  });

  it("cannot be claimed once they have run out, and can again when their owner has come by", async () => {
    await house.advance(54 * DAY);
    await bob.client.drawTokens();
    await assert.rejects(claim(1), { code: "queue/no-key-package" });
    await alice.sync();
    await claim(1);
  });

  it("of a Welcome that waited until they were over still open it", async () => {
    const contact = bob.client.contacts().find(({ name }) => name === "alice")!;
    await house.advance(52 * DAY);
    await bob.client.drawTokens();
    await bob.client.createGroup([contact]);
    await house.advance(15 * DAY);
    const before = alice.client.groups().length;
    await alice.restart();
    await alice.client.drawTokens();
    await alice.sync();
    assert.equal(alice.client.groups().length, before + 1);
  });
});
