// Four people who change their group at random over connections that lose requests and answers: in the end all agree.
import assert from "node:assert/strict";
import fc from "fast-check";
import { ClientError, Fault, type Group } from "../../src/client/index.ts";
import { flaky, type Flaky } from "../client/flaky-transport.ts";
import { fill } from "../client/full-queue.ts";
import { befriend, gather, namesIn, settled, texts, type Circle, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const NAMES = ["alice", "bob", "carol", "dave"] as const;
const STEPS = 40;
const COMMON = ["send", "sync", "add", "add", "admin"] as const;
const WHAT = [...COMMON, ...COMMON, ...COMMON, "remove", "no admin", "leave", "restart", "overflow"] as const;

describe("scenario: a group through a random history", function () {
  this.timeout(240_000);
  let house: TestHouse;
  let people: Person[];
  const wires = new Map<string, Flaky>();

  before(async () => {
    house = await startTestHouse();
    people = [];
    for (const name of NAMES) {
      const wrap = (transport: Parameters<typeof flaky>[0]): Flaky => {
        const wire = flaky(transport);
        wires.set(name, wire);
        return wire;
      };
      people.push(await settled(house, name, wrap));
    }
    for (const [i, a] of people.entries()) for (const b of people.slice(i + 1)) await befriend(a, b);
  });
  after(async () => {
    for (const someone of people) await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  const step = fc.record({
    who: fc.nat(3),
    whom: fc.nat(3),
    what: fc.constantFrom(...WHAT),
    loss: fc.constantFrom("pass", "pass", "pass", "lose-request", "lose-reply"),
    after: fc.nat(5),
  });
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  async function take(ours: Circle, { who, whom, what }: Step, said: string[]): Promise<void> {
    const [someone, other] = [people[who]!, people[whom]!];
    if (what === "sync") return void said.push(...texts(await someone.sync()));
    if (what === "restart") return someone.restart();
    if (what === "overflow") return fill(house, someone);
    if (!ours.isMember(someone)) return;
    const group: Group = ours.of(someone);
    if (what === "send") await group.send(`${someone.client.name} ${Math.random()}`);
    if (what === "add" && !ours.isMember(other)) {
      await group.add(someone.client.contacts().find(({ name }) => name === other.client.name)!);
    }
    if (what === "remove" && who !== whom) await group.remove(other.client.name!);
    if (what === "leave") await group.leave();
    if (what === "admin") await group.setAdmin(other.client.name!, true);
    if (what === "no admin") await group.setAdmin(other.client.name!, false);
  }

  it("[8.4] ends in one epoch for all who are in it, and nothing is heard twice", async () => {
    const seed = Number(process.env["SEED"] ?? 1);
    const [steps] = fc.sample(fc.array(step, { minLength: STEPS, maxLength: STEPS }), { seed, numRuns: 1 });
    const ours = await gather(people);
    const [first, ...others] = people;
    for (const { client } of others) await ours.of(first!).setAdmin(client.name!, true);
    for (const someone of people) await someone.sync();
    const heard = people.map((): string[] => []);
    for (const one of steps!) {
      const someone = people[one.who]!;
      const wire = wires.get(someone.client.name!)!;
      const start = wire.posts.length;
      wire.loss = "tor/closed";
      wire.plan = (post) => (post - start === one.after + 1 ? one.loss : "pass");
      await take(ours, one, heard[one.who]!).catch((error: unknown) => {
        if (!(error instanceof ClientError || error instanceof Fault)) throw error;
      });
      wire.plan = () => "pass";
    }
    for (let round = 0; round < 6; round++) {
      for (const [i, someone] of people.entries()) heard[i]!.push(...texts(await someone.sync()));
      await house.advance(700);
    }
    for (const list of heard) assert.equal(new Set(list).size, list.length);
    // Who was removed while its queue was full cannot know it.
    const members = people.filter((someone) => ours.isMember(someone) && ours.of(someone).health === "good");
    // Who is unknown to somebody, as introductions were lost with a queue, is asked when it speaks.
    for (const someone of members) await ours.of(someone).send("I am still here");
    for (let round = 0; round < 3; round++) for (const someone of members) await someone.sync();
    const names = members.map(({ client }) => client.name).toSorted((a = "", b = "") => a.localeCompare(b));
    for (const someone of members) {
      assert.deepEqual(namesIn(ours.of(someone)), names);
      const text = `from ${someone.client.name} at the end`;
      await ours.of(someone).send(text);
      for (const other of members) {
        const expected = other === someone ? [] : [`${someone.client.name}: ${text}`];
        assert.deepEqual(texts(await other.sync()), expected);
      }
    }
  });
});
