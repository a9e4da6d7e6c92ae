// Random histories by many real clients and one server: no fork, no failed join, nobody wrongly refused.
import assert from "node:assert/strict";
import { ClientGroup } from "../../src/mls/client.ts";
import { Fault } from "../../src/fault.ts";
import { identity, now, type Step, World } from "./world.ts";

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

interface Told {
  readonly epochs: number;
  readonly joins: number;
  readonly counts: ReadonlyMap<string, number>;
}

async function history(seed: number, milliseconds: number): Promise<Told> {
  const random = generator(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const world = await World.create();
  const counts = new Map<string, number>();
  const count = (op: string): void => void counts.set(op, (counts.get(op) ?? 0) + 1);
  const goes = (client: ClientGroup): boolean => world.server.pending.some(({ leaf }) => leaf === client.ownLeaf);
  const pseudonymOf = (leaf: number): Uint8Array => world.server.leaf(leaf)!.pseudonym;
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    if (random() < 0.2) {
      // a restart: one client goes through its stored form
      const i = Math.floor(random() * world.clients.length);
      world.clients[i] = ClientGroup.deserialize(world.clients[i]!.serialize());
      count("restart");
    }
    if (random() < 0.15) {
      const client = pick(world.clients);
      if (!goes(client)) {
        await world.leave(client);
        count("leave");
      }
    }
    if (random() < 0.1) {
      const client = pick([...world.clients, ...world.absent]);
      if (!goes(client)) {
        await world.evict(client.ownLeaf);
        count("evict");
      }
    }
    if (random() < 0.3) {
      // also while proposals wait
      await world.say(pick(world.clients), Buffer.from("words"));
      count("say");
    }
    if (random() < 0.1 && world.clients.length > 3) {
      world.silence(pick(world.clients));
      count("silence");
    }
    if (random() < 0.2 && world.clients.length + world.absent.length > 1) {
      // one who lost step, or took itself to be
      const lost = world.absent.filter((client) => world.knowsSigner(client));
      const from = random() < 0.8 && lost.length > 0 ? lost : world.clients;
      await world.resync(pick(from), random() < 0.3 ? identity().handle : undefined);
      count("resync");
    }
    const able = world.clients.filter((client) => !goes(client));
    if (able.length === 0) {
      // everybody wants to leave: one has to come back first
      await world.resync(pick(world.clients));
      continue;
    }
    const by = pick(able);
    const admin = by.isAdmin(by.ownLeaf);
    const others = [...world.clients, ...world.absent].filter((c) => c !== by);
    const room = world.clients.length + world.absent.length < MAX;
    const joiners = random() < 0.45 && room && (admin || by.policy.membersMayAdd) ? 1 + Math.floor(random() * 3) : 0;
    const remove = random() < 0.35 && admin ? others.filter(() => random() < 1.5 / others.length) : [];
    const staying = others.filter((c) => !remove.includes(c) && !goes(c));
    const change: Step = { joiners, remove };
    if (random() < 0.1) change.handle = identity().handle;
    if (admin && random() < 0.2) {
      const admins = [by, ...staying].filter((c) => c === by || random() < 0.3);
      change.policy = { membersMayAdd: random() < 0.5, admins: admins.map(({ ownLeaf }) => pseudonymOf(ownLeaf)) };
      count("policy");
    }
    const rivals = staying.filter((c) => world.clients.includes(c));
    const rival = random() < 0.2 && rivals.length > 0 ? pick(rivals) : undefined;
    const late = await rival?.commit({ now });
    const plain = random() < 0.1 && rivals.length > 0 ? pick(rivals) : undefined;
    if (plain !== undefined && !plain.isAdmin(plain.ownLeaf)) {
      await assert.rejects(plain.commit({ remove: [by.ownLeaf], now }), { code: "group/policy" });
      count("refused");
    }
    const gone = await world.step(by, change);
    count("commit");
    for (const left of gone) await assert.rejects(left.receive(await spoken(world)), Fault);
    if (late !== undefined) {
      // the rival lost the race: it is told so, and goes on with the winner's commit
      const { commit, groupInfo, welcome, recovery } = late;
      assert.throws(() => world.server.validateCommit({ commit, groupInfo, welcome, recovery, now }), {
        code: "group/epoch",
      });
    }
  }
  return { epochs: world.server.epoch, joins: world.joins, counts };
}

const spoken = async (world: World): Promise<Uint8Array> =>
  (await world.clients[0]!.send(Buffer.from("without you"))).privateMessage;

describe("random histories", function () {
  this.timeout(60_000);
  for (const seed of [1, 77, 4242]) {
    it(`seed ${seed}`, async () => {
      const { epochs, joins, counts } = await history(seed, 3000);
      assert.ok(epochs > 10 && joins > 5);
      for (const op of ["leave", "evict", "say", "silence", "resync", "policy", "commit"]) {
        assert.ok(counts.has(op), op);
      }
    });
  }

  it("of connections, which stay two whoever goes and comes back", async () => {
    const random = generator(99);
    for (let i = 0; i < 5; i++) {
      const world = await World.create({ membersMayAdd: random() < 0.5, connection: true });
      if (random() < 0.5) await world.step(world.clients[0]!);
      await world.join();
      for (let k = 0; k < 8; k++) {
        const client = world.clients[Math.floor(random() * 2)]!;
        if (random() < 0.3) await world.resync(client);
        else if (random() < 0.5) await world.say(client, Buffer.from("words"));
        else await world.step(client);
      }
      assert.equal(world.server.memberCount, 2);
    }
  });
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
