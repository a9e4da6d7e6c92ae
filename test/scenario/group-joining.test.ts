// Entering a group: late, in pieces, again, and not any more.
import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { change } from "../../src/client/group-commit.ts";
import { question } from "../../src/client/group-request.ts";
import { catchUp } from "../../src/client/read-queue.ts";
import { QueueHandles } from "../../src/services/queue/handle.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { MAX_PENDING } from "../../src/mls/suite.ts";
import { apart } from "../client/apart.ts";
import { fill } from "../client/full-queue.ts";
import { befriend, circle, gather, namesIn, settled, texts, type Circle, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

describe("scenario: entering a group", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let ours: Circle;
  let alice: Person;
  let bob: Person;
  let carol: Person;

  before(async () => {
    house = await startTestHouse();
    const { people } = await circle(house, ["alice", "bob"]);
    [alice, bob] = people as [Person, Person];
    carol = await settled(house, "carol");
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

  it("[8.9] who comes late finds the epoch it was added in, and what has happened since", async () => {
    await addCarol();
    await bob.sync();
    await ours.of(alice).setAdmin("bob", true);
    await ours.of(alice).send("meanwhile");
    await bob.sync();
    await house.advance(3600);
    await ours.of(bob).setAdmin("alice", false);
    const events = await carol.sync();
    assert.deepEqual(kinds(events), ["joinedGroup", "message"]);
    assert.deepEqual(texts(events), ["alice: meanwhile"]);
    assert.deepEqual(namesIn(ours.of(carol), "admins"), ["bob"]);
    await alice.sync();
    await inStep(alice, bob, carol);
  });

  /** Alice adds so many strangers whose items all go to one queue. */
  const addStrangers = async (count: number, queueId: Uint8Array): Promise<void> => {
    const { domain, handleKey } = house.serving.house.identity;
    const { id } = ours.of(alice);
    await apart(house, alice, async (parts) => {
      const held = parts.groups.find(id)!;
      const arena = house.arenas.arena();
      const now = house.now();
      const add = [];
      for (let i = 0; i < count; i++) {
        const [handle] = new QueueHandles(handleKey, domain).mint(arena, queueId, 0, [Buffer.alloc(16)]);
        const request = { pseudonym: randomBytes(16), handle: Buffer.from(handle!), notBefore: now - 86_400 };
        const { keyPackage } = await makeKeyPackage({ ...request, notAfter: now + 86_400 });
        add.push({ keyPackage, introduction: held.state.introductions[0]! });
      }
      arena.close();
      await change(parts, held, { add });
    });
  };

  it("[8.5] a commit that is longer than a queue's item arrives in parts, and a large tree in pieces", async () => {
    await addStrangers(120, alice.client.identifiers().find(({ what }) => what === "queue id")!.bytes);
    // More than the house takes in one commit.
    assert.equal(kinds(await bob.sync()).filter((kind) => kind === "memberAdded").length, 120);
    await addCarol();
    const events = await carol.sync();
    assert.equal(kinds(events)[0], "joinedGroup");
    assert.equal(ours.of(carol).members().length, 123);
    await bob.sync();
    await ours.of(bob).send("quite a crowd");
    assert.deepEqual(texts(await carol.sync()), ["bob: quite a crowd"]);
  });

  it("[8.18] members whose queues are gone are removed by whoever comes along", async () => {
    await addStrangers(2, randomBytes(16));
    // The house sees it while it delivers, and asks for their removal: bob, who reads next, makes it.
    const bobs = kinds(await bob.sync());
    assert.equal(bobs.filter((kind) => kind === "memberAdded").length, 2);
    const alices = kinds(await alice.sync());
    assert.equal(alices.filter((kind) => kind === "memberRemoved").length, 2);
    for (const someone of [alice, bob]) assert.deepEqual(namesIn(ours.of(someone)), ["alice", "bob"]);
    await inStep(alice, bob);
  });

  it("[8.8] who wants to leave while as many removals wait as can does so behind the next commit", async () => {
    await addStrangers(MAX_PENDING, randomBytes(16));
    // Four are proposed with each request that finds their queues gone.
    for (let i = 0; i < MAX_PENDING; i += 4) await ours.of(alice).send(`still ${i}`);
    const { id } = ours.of(alice);
    await apart(house, alice, async (parts) => {
      await catchUp(parts);
      assert.equal(parts.groups.find(id)!.state.mls?.pending.length, MAX_PENDING);
    });
    await ours.of(bob).leave();
    assert.ok(ours.isMember(bob) && ours.of(bob).leaving);
    await ours.of(bob).leave();
    assert.ok(ours.isMember(bob) && ours.of(bob).leaving);
    await alice.sync();
    await bob.sync();
    await alice.sync();
    assert.ok(kinds(await bob.sync()).includes("leftGroup"));
    assert.ok(!ours.isMember(bob));
    assert.deepEqual(namesIn(ours.of(alice)), ["alice"]);
  });

  it("[8.9] who was removed while its queue was full is lost, gets nothing by its old key, and enters anew when added", async () => {
    await addCarol();
    await carol.sync();
    await bob.sync();
    const { id } = ours.of(carol);
    await fill(house, carol);
    await ours.of(alice).remove("carol");
    await ours.of(alice).send("without her");
    const told: ClientEvent[] = [];
    for (let round = 0; round < 7; round++) {
      told.push(...(await carol.sync()));
      await house.advance(2 * 86_400);
    }
    assert.deepEqual(kinds(told), ["missedMessages", "groupDiverged", "groupLost"]);
    assert.equal(ours.of(carol).health, "stuck");
    await apart(house, carol, async (parts) => {
      const held = parts.groups.find(id)!;
      const mls = held.state.mls!;
      const keys = { groupId: held.state.groupId, groupKey: await mls.groupKey() };
      const info = question(parts, held, "ds.joinInfo", { ...keys, offset: 0 }, () => undefined);
      await assert.rejects(info, { code: "group/unavailable" });
      // Not under any leaf does the ladder give the next key itself.
      for (const leaf of [0, 1, 2]) {
        const next = await question(parts, held, "ds.recover", { ...keys, leaf }, ({ kind, value }) => ({
          kind,
          value: Buffer.from(value),
        })).catch(() => undefined);
        assert.notEqual(next?.kind, 1);
        if (next !== undefined)
          await assert.rejects(mls.openRecovery(mls.epoch, next.value), { code: "group/invalid" });
      }
    });
    await addCarol();
    await bob.sync();
    assert.deepEqual(kinds(await carol.sync()), ["joinedGroup"]);
    assert.equal(ours.of(carol).health, "good");
    assert.deepEqual(namesIn(ours.of(carol)), ["alice", "bob", "carol"]);
    await inStep(alice, bob, carol);
  });
});
