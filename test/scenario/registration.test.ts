import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import { solve, WORK_SLOT_LENGTH } from "../../tokens/work.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";

const work = { minEffort: 3, maxEffort: 8, perHour: 6 };

describe("[6.1] who may register", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let raw: RawHouse;
  afterEach(async () => {
    raw.close();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });
  const start = async (registration: "closed" | "invitation" | "proof_of_work") => {
    house = await startTestHouse({ policy: { registration, invitationsPerEpoch: 3, work } });
    raw = await rawHouse(house);
  };
  const solution = async (effort = raw.to.effort): Promise<{ slot: Buffer; requestId: Buffer }> => {
    const requestId = randomBytes(16);
    const slot = await solve(Buffer.alloc(WORK_SLOT_LENGTH), raw.to.workSeed, requestId, effort);
    return { slot, requestId };
  };
  const refused = (name: string, admission: { slot: Buffer; requestId?: Buffer }, code: RegExp) =>
    assert.rejects(rawAccount(house, raw, name, admission), { message: code });

  /** "ok", or the code of the refusal. */
  const refusalOf = (name: string, admission: { slot: Buffer; requestId?: Buffer }): Promise<string> =>
    rawAccount(house, raw, name, admission).then(
      () => "ok",
      (error: Error) => error.message,
    );

  it("closed: the operator's invitations only", async () => {
    await start("closed");
    assert.equal(raw.to.registration, 0);
    const account = await rawAccount(house, raw, "first.one");
    await assert.rejects(account.draw("invite", 1), /token\/allowance/);
    await refused("second.one", await solution(0), /token\/invalid/);
  });

  it("invitation: an account draws a few, once, and whoever has one gets in", async () => {
    await start("invitation");
    const account = await rawAccount(house, raw, "first.one");
    await assert.rejects(account.draw("invite", 4), /token\/allowance/);
    const [one, two] = await account.draw("invite", 3);
    assert.ok(one !== undefined && two !== undefined);
    await assert.rejects(account.draw("invite", 3), /token\/conflict/);
    await rawAccount(house, raw, "second.one", { slot: one });
    await refused("third.one", { slot: one }, /token\/spent/);
    await rawAccount(house, raw, "third.one", { slot: two });
    await refused("fourth.one", await solution(0), /token\/invalid/);
  });

  it("proof of work: who has done it gets in once; too little, another request's and yesterday's late are refused", async () => {
    await start("proof_of_work");
    assert.equal(raw.to.effort, work.minEffort);
    const done = await solution();
    await rawAccount(house, raw, "worker.one", done);
    // With another request id a solution is as good as a guess: one in eight gets through.
    const others = Array.from({ length: 8 }, (_, i) => refusalOf(`guess.${"abcdefgh"[i]}`, { slot: done.slot }));
    assert.ok((await Promise.all(others)).filter((code) => code === "token/work").length >= 3);
    await refused("worker.two", done, /token\/spent/);
    await refused("worker.two", { slot: Buffer.alloc(TOKEN_SLOT_LENGTH, 1) }, /token\/invalid/);
    const discover = { operation: "as.discover", request: { name: Buffer.from("worker.one") } } as const;
    assert.equal((await raw.ask({ ...discover, token: (await solution()).slot })).code, "token/invalid");

    const olds = [await solution(), await solution(), await solution(), await solution(), await solution()];
    await house.advance(3 * 86400);
    raw.close();
    raw = await rawHouse(house);
    const late = await Promise.all(olds.map((old, i) => refusalOf(`late.${"abcde"[i]}`, old)));
    assert.ok(late.includes("token/work"), late.join());
    await rawAccount(house, raw, "worker.two", await solution());
  });

  it("proof of work gets harder when many come", async () => {
    await start("proof_of_work");
    for (let i = 0; i < 6; i++) await rawAccount(house, raw, `worker.${"abcdef"[i]}`, await solution());
    await house.advance(600);
    raw.close();
    raw = await rawHouse(house);
    assert.ok(raw.to.effort > work.minEffort, `effort ${raw.to.effort}`);
  });
});
