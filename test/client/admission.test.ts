import assert from "node:assert/strict";
import { startTestHouse, type TestHouse } from "../house.ts";
import { flaky, type Flaky } from "./flaky-transport.ts";
import { person, type Person } from "./people.ts";

describe("client/admission", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let wire: Flaky;
  let someone: Person;

  const start = async (registration: "closed" | "invitation" | "proof_of_work", minEffort = 2): Promise<void> => {
    house = await startTestHouse({ policy: { registration, work: { minEffort, maxEffort: 16, perHour: 60 } } });
    someone = await person(house, (transport) => (wire = flaky(transport)));
  };
  afterEach(async () => {
    await someone.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  it("registers by work where the house takes it, and says how it goes", async () => {
    await start("proof_of_work");
    const told: [number, number][] = [];
    await someone.client.register({ work: true, onProgress: (...progress) => told.push(progress) }, "worker");
    assert.equal(someone.client.name, "worker");
    assert.deepEqual(
      told,
      told.map((_, i) => [i + 1, 4]),
    );
    assert.ok(told.length > 0);
    await someone.client.drawTokens();
    // An invitation is as good there.
    const invited = await person(house);
    await invited.client.register(house.invite()[0]!, "invited");
    await invited.stop();
  });

  for (const registration of ["closed", "invitation"] as const) {
    it(`says that an invitation is needed, before any work (${registration})`, async () => {
      await start(registration);
      const onProgress = (): void => assert.fail("worked");
      const registering = someone.client.register({ work: true, onProgress }, "worker");
      await assert.rejects(registering, { code: "client/needs-invitation" });
      assert.equal(wire.posts.length, 0);
    });
  }

  it("keeps what it has worked for: a registration whose answer was lost is asked for again as it was", async () => {
    await start("proof_of_work");
    wire.loss = "tor/closed";
    wire.plan = () => "lose-reply";
    await assert.rejects(someone.client.register({ work: true }, "worker"), { code: "tor/closed" });
    wire.plan = () => "pass";
    await someone.restart();
    const onProgress = (): void => assert.fail("worked twice");
    await someone.client.register({ work: true, onProgress }, "worker");
    assert.equal(someone.client.name, "worker");
  });

  it("works once more when its work is out of date", async () => {
    await start("proof_of_work", 5);
    wire.loss = "tor/closed";
    wire.plan = () => "lose-request";
    await assert.rejects(someone.client.register({ work: true }, "worker"), { code: "tor/closed" });
    wire.plan = () => "pass";
    // The day's seed is another: the old solution is a guess, right once in 32 times.
    await house.advance(2 * 86400);
    await someone.restart();
    let searches = 0;
    const onProgress = (tries: number): void => void (searches += tries === 1 ? 1 : 0);
    await someone.client.register({ work: true, onProgress }, "worker");
    assert.equal(someone.client.name, "worker");
    // Lost, sent as it was, sent with new work, connection packages.
    assert.equal(wire.posts.length, 3 + searches);
    assert.ok(searches <= 1);
  });

  it("ends the search when it is told to, or closed", async () => {
    await start("proof_of_work", 16);
    const stop = new AbortController();
    const onProgress = (tries: number): void => void (tries === 2 && stop.abort(new Error("enough")));
    await assert.rejects(someone.client.register({ work: true, onProgress, signal: stop.signal }, "worker"), /enough/);
    const begun = new Promise<void>((resolve) => {
      const searching = someone.client.register({ work: true, onProgress: () => resolve() }, "worker");
      assert.rejects(searching, { code: "client/closed" }).catch((error: unknown) => assert.fail(String(error)));
    });
    await begun;
    await someone.client.close();
    assert.equal(wire.posts.length, 0);
  });
});
