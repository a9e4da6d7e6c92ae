import assert from "node:assert/strict";
import { startTestHouse, type TestHouse } from "../house.ts";
import { EPOCH_DAYS, OVERLAP_DAYS } from "../../tokens/epochs.ts";
import { rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";

const DAY = 86400;

describe("house/upkeep", () => {
  let house: TestHouse;
  let raw: RawHouse;
  beforeEach(async () => {
    house = await startTestHouse();
    raw = await rawHouse(house);
  });
  afterEach(async () => {
    raw.close();
    await house.stop();
  });

  /** Moves the clock; the client learns the new envelope key, and keeps to the issuer keys that it knows. */
  const wait = async (days: number): Promise<void> => {
    await house.advance(days * DAY);
    const now = await rawHouse(house);
    Object.assign(raw.to, { envelopeKey: now.to.envelopeKey });
    now.close();
  };

  it("deletes an account whose day is over, and no other", async () => {
    const account = await rawAccount(house, raw, "mallory");
    const other = await rawAccount(house, raw, "nelly");
    const { userId, clientId, signer } = account;
    const request = { userId, clientId, attempt: 1, recovery: Buffer.alloc(0) };
    assert.equal((await raw.ask({ operation: "as.deleteAccount", request, signer })).code, "ok");
    const kept = async () => {
      const { opened } = await house.dump();
      return [userId, other.userId].map((id) => opened.filter(({ value }) => value.includes(Buffer.from(id))).length);
    };
    const [before = 0, others] = await kept();
    assert.ok(before >= 3);
    await wait(1); // up to an hour is still to come
    assert.deepEqual(await kept(), [before, others]);
    await house.advance(3600);
    assert.deepEqual(await kept(), [0, others]);
  });

  it("forgets what limits counted, and keeps given up names back, for as long as that takes", async () => {
    const { userId, clientId, signer } = await rawAccount(house, raw, "mallory");
    const request = { userId, clientId, name: Buffer.from("nelly") };
    assert.equal((await raw.ask({ operation: "as.rename", request, signer })).code, "ok");
    const kept = async () => {
      const rooms = (await house.dump()).opened.map(({ room }) => room);
      return ["account", "accountUse", "nameHeld"].filter((room) => rooms.some((one) => one === room));
    };
    const toNextPeriod = 30 - (Math.floor(house.now() / DAY) % 30);
    assert.deepEqual(await kept(), ["account", "accountUse", "nameHeld"]);
    await house.advance((toNextPeriod + 29) * DAY);
    assert.deepEqual(await kept(), ["account", "accountUse", "nameHeld"]);
    await house.advance(DAY);
    assert.deepEqual(await kept(), ["account", "nameHeld"]);
    await house.advance(59 * DAY);
    assert.deepEqual(await kept(), ["account", "nameHeld"]);
    await house.advance(DAY);
    assert.deepEqual(await kept(), ["account"]);
  });

  it("remembers who drew from a key for as long as the key is live", async () => {
    const account = await rawAccount(house, raw, "mallory");
    await account.draw("deliver");
    const today = Math.floor(house.now() / DAY);
    const left = EPOCH_DAYS - (today % EPOCH_DAYS);
    await wait(left); // first day of the next epoch
    await assert.rejects(account.draw("deliver"), { message: "token/conflict" });
    await wait(OVERLAP_DAYS - 1); // last day of the old key
    await assert.rejects(account.draw("deliver"), { message: "token/conflict" });
    await wait(1);
    await assert.rejects(account.draw("deliver"), { message: "token/unknown-key" });
  });
});
