// Random histories by many real clients and one server: no fork, no failed join, nobody wrongly refused.
import assert from "node:assert/strict";
import { ClientGroup } from "../../src/mls/client.ts";
import { Fault } from "../../src/fault.ts";
import { identity, now, World } from "./world.ts";

// xorshift32: the seed is printed by the test's name, so that a failure can be run again
function generator(seed: number): () => number {
  let s = seed;
  return () => {
    s ^= s << 13;
    s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s / 2 ** 32;
  };
}

const MAX = 14;

async function history(seed: number, milliseconds: number): Promise<{ epochs: number; joins: number; ops: string[] }> {
  const random = generator(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const world = await World.create();
  const ops: string[] = [];
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    if (random() < 0.2) {
      // a restart: one client goes through its stored form
      const i = Math.floor(random() * world.clients.length);
      world.clients[i] = ClientGroup.deserialize(world.clients[i]!.serialize());
      ops.push("restart");
    }
    if (random() < 0.3) {
      await world.say(pick(world.clients), Buffer.from("words"));
      ops.push("say");
    }
    const by = pick(world.clients);
    const others = world.clients.filter((c) => c !== by);
    const joiners = random() < 0.45 && world.clients.length < MAX ? 1 + Math.floor(random() * 3) : 0;
    const gone = random() < 0.35 ? others.filter(() => random() < 2 / world.clients.length) : [];
    const handle = random() < 0.1 ? identity().handle : undefined;
    const rival = random() < 0.2 && others.length > gone.length ? pick(others.filter((c) => !gone.includes(c))) : by;
    const late = rival === by ? undefined : await rival.commit({ now });
    ops.push(`commit +${joiners} -${gone.length}`);
    await world.commit(by, joiners, gone, handle);
    if (late !== undefined) {
      // the rival lost the race: it is told so, and goes on with the winner's commit
      assert.throws(() => world.server.validateCommit(late.commit, late.groupInfo, late.welcome, now), {
        code: "group/epoch",
      });
    }
  }
  return { epochs: world.server.epoch, joins: world.joins, ops };
}

describe("random histories", function () {
  this.timeout(60_000);
  for (const seed of [1, 77, 4242]) {
    it(`seed ${seed}`, async () => {
      const { epochs, joins } = await history(seed, 3000);
      assert.ok(epochs > 10 && joins > 5);
    });
  }
});

describe("removed members", () => {
  it("read nothing that is sent after the commit, and cannot make the next group key", async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 3);
    const [alice, bob] = world.clients;
    assert.ok(alice && bob);
    const bobKey = Buffer.from(await bob.groupKey());
    const [removed] = await world.commit(alice, 0, [bob]);
    assert.ok(removed === bob);
    const after = await world.say(world.clients[0]!, Buffer.from("without bob"));
    await assert.rejects(bob.receive(after), (error) => error instanceof Fault);
    assert.notDeepEqual(Buffer.from(await world.clients[0]!.groupKey()), bobKey);
    // what the removal leaves him is a state that can do nothing
    const gone = await bob.receive((await alice.commit({ remove: [bob.ownLeaf], now })).commit);
    assert.ok(gone.kind === "commit" && gone.removedSelf && !gone.next.active);
    await assert.rejects(gone.next.send(Buffer.from("still here")), { code: "group/invalid" });
    await assert.rejects(gone.next.receive(after), { code: "group/invalid" });
    assert.deepEqual(Buffer.from(await gone.next.groupKey()), bobKey);
  });
});
