// Drawing tokens, broken off anywhere: nothing is asked for twice, nothing is lost; and never beside a spend.
import assert from "node:assert/strict";
import { openParts } from "../../src/client/open.ts";
import type { Parts } from "../../src/client/parts.ts";
import type { ClientState } from "../../src/client/state.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import { EPOCH_DAYS, epochOf, OVERLAP_DAYS } from "../../tokens/epochs.ts";
import { BATCH_SIZE } from "../../tokens/wallet.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { flaky, type Flaky } from "./flaky-transport.ts";
import { person, type Person } from "./people.ts";

const DAY = 86400;
const classes: readonly TokenClass[] = ["create", "discover", "connect", "deliver"];

describe("client: drawing tokens", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let wire: Flaky;
  let someone: Person;
  let parts: Parts;
  let state: ClientState;
  let accounts = 0;

  beforeEach(async () => {
    house = await startTestHouse();
  });
  afterEach(async () => {
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  async function open(): Promise<void> {
    const { transport, statePath, deviceKey } = someone;
    ({ parts, state } = await openParts({ transport, statePath, deviceKey, onion: house.onion, clock: house.now }));
  }
  /** A client with an account, taken apart. */
  async function begin(): Promise<void> {
    someone = await person(house, (transport) => (wire = flaky(transport)));
    await someone.client.register(house.invite()[0]!, `someone${++accounts}`);
    await someone.client.close();
    await open();
  }
  async function end(): Promise<void> {
    await parts.tokens.close();
    await state.close();
  }
  const held = (): number[] => classes.map((tokenClass) => parts.tokens.count(tokenClass));
  const each = (count: number): number[] => classes.map(() => count);
  const draws = (): number => wire.posts.filter(({ circuit }) => circuit === "issuance").length;

  for (const saved of [false, true]) {
    it(`goes on after a crash at each save of the state, ${saved ? "just after" : "just before"} it is durable`, async () => {
      let crashes = 0;
      for (let finished = false; !finished;) {
        await begin();
        const save = state.save.bind(state);
        let left = crashes;
        state.save = async (changes) => {
          if (left > 0 || (saved && left === 0)) await save(changes);
          if (left-- <= 0) throw new Error("crashed");
        };
        finished = await parts.tokens.draw(parts.account).then(
          () => true,
          () => false,
        );
        await end();
        await open();
        await parts.tokens.draw(parts.account);
        assert.deepEqual(held(), each(BATCH_SIZE), `crashed at save ${crashes + 1}`);
        const next = (epochOf(house.now()) + 1) * EPOCH_DAYS * DAY;
        assert.ok(parts.tokens.nextDraw >= next && parts.tokens.nextDraw < next + (EPOCH_DAYS * DAY) / 10);
        await end();
        await someone.stop();
        if (!finished) crashes++;
      }
      // A draw saves twice a batch at least, and its beginning and end.
      assert.ok(crashes >= 2 * classes.length + 2, String(crashes));
    });
  }

  for (const loss of ["lose-request", "lose-reply"] as const) {
    it(`goes on after a crash at each of its requests (${loss})`, async () => {
      for (const dies of [1, 2, 3, 4]) {
        await begin();
        const before = wire.posts.length;
        wire.loss = "tor/closed";
        wire.plan = (post) => (post - before < dies ? "pass" : loss);
        await assert.rejects(parts.tokens.draw(parts.account), { code: "tor/closed" });
        await end();
        wire.plan = () => "pass";
        await open();
        assert.deepEqual(held(), [...each(BATCH_SIZE).slice(0, dies - 1), ...each(0).slice(dies - 1)]);
        await parts.tokens.draw(parts.account);
        assert.deepEqual(held(), each(BATCH_SIZE));
        // Each batch once, but the one that was broken off.
        assert.equal(draws(), classes.length + 1);
        await end();
        await someone.stop();
      }
    });
  }

  it("keeps the old epoch's tokens through the overlap and not a day longer", async () => {
    await begin();
    await parts.tokens.draw(parts.account);
    await house.advance(parts.tokens.nextDraw - house.now() + 1);
    assert.deepEqual(held(), each(BATCH_SIZE));
    await parts.tokens.refill(parts.account);
    assert.deepEqual(held(), each(2 * BATCH_SIZE));
    const start = epochOf(house.now()) * EPOCH_DAYS * DAY;
    await house.advance(start + OVERLAP_DAYS * DAY - 600 - house.now());
    assert.deepEqual(held(), each(2 * BATCH_SIZE));
    // The oldest first, while they are good.
    await parts.tokens.spend("as.connect", async () => undefined);
    await house.advance(start + OVERLAP_DAYS * DAY + 1 - house.now());
    assert.deepEqual(held(), each(BATCH_SIZE));
    await end();
    await someone.stop();
  });

  it("has its moment fixed before anything is spent, keeps it whatever is, and stays apart from it", async () => {
    await begin();
    await parts.tokens.draw(parts.account);
    const moment = parts.tokens.nextDraw;
    const drawn = draws();
    while (parts.tokens.count("deliver") > 1) await parts.tokens.spend("ds.send", async () => undefined);
    assert.equal(parts.tokens.nextDraw, moment);
    await house.advance(moment - house.now() + 1);
    await parts.tokens.spend("ds.send", async () => undefined);
    await assert.rejects(
      parts.tokens.spend("ds.send", async () => undefined),
      { code: "client/no-tokens" },
    );
    for (const wait of [0, 300]) {
      await house.advance(wait);
      await parts.tokens.refill(parts.account);
      await parts.tokens.draw(parts.account);
      assert.equal(parts.tokens.nextDraw, moment);
    }
    await house.advance(301);
    await parts.tokens.refill(parts.account);
    assert.equal(draws(), drawn + classes.length);
    await end();
    await someone.stop();
  });
});
