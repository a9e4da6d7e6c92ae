import assert from "node:assert/strict";
import { issuerPort, loadIssuerKeys, rotateIssuerKeys } from "../../src/house/issuers.ts";
import { defaultPolicy } from "../../src/house/policy.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { allTokenClasses } from "../../tokens/classes.ts";
import { EPOCH_DAYS } from "../../tokens/epochs.ts";
import type { IssuerKeys } from "../../tokens/keys.ts";
import { VOPRF } from "../../tokens/types.ts";
import { MemoryDriver, storeOver } from "../store/harness.ts";

const EPOCH = EPOCH_DAYS * 86_400;
/** The tenth day of some epoch: the keys of the one before are over. */
const NOW = 700 * EPOCH + 10 * 86_400;

describe("house/issuers", () => {
  const arenas = new ArenaPool([[16 << 10, 8]]);
  let driver: MemoryDriver;
  let store: ReturnType<typeof storeOver>;
  beforeEach(() => {
    driver = new MemoryDriver();
    store = storeOver(driver);
  });
  afterEach(async () => {
    await store.close();
    assert.equal(arenas.open, 0);
  });

  /** A house that starts at `now`, as openHouse does it. */
  const start = async (now: number): Promise<IssuerKeys> => {
    const keys = await loadIssuerKeys(store, arenas, now, [VOPRF]);
    await rotateIssuerKeys(keys, store, arenas, now);
    return keys;
  };
  const idsOf = (keys: IssuerKeys, epoch: number): string[] =>
    keys.all
      .filter((key) => key.epoch === 700 + epoch)
      .map(({ keyId }) => keyId.toString("hex"))
      .toSorted();
  /** Key records in the store; the other record is the head. */
  const stored = (): number => driver.records.size - 1;
  const ALL = allTokenClasses.length;

  it("brings back the keys it made, and makes none twice", async () => {
    const made = idsOf(await start(NOW), 0);
    assert.equal(made.length, ALL);
    assert.deepEqual(idsOf(await start(NOW + 86_400), 0), made);
    assert.equal(stored(), ALL);
  });

  for (const epochs of [1, 2, 3, 24])
    it(`leaves no secret behind in a house that was off for ${epochs} epochs`, async () => {
      const old = idsOf(await start(NOW), 0);
      const keys = await start(NOW + epochs * EPOCH);
      assert.equal(stored(), ALL);
      assert.equal(keys.all.length, ALL);
      assert.notDeepEqual(idsOf(keys, epochs), old);
    });

  it("keeps the next epoch's keys of a clock that was ahead, and does not issue with them yet", async () => {
    const early = idsOf(await start(NOW + EPOCH), 1);
    const keys = await start(NOW);
    assert.deepEqual(idsOf(keys, 1), early);
    const next = keys.all.find(({ epoch, class: name }) => epoch === 701 && name === "deliver")!;
    const { identify } = issuerPort(keys, defaultPolicy);
    const request = Buffer.alloc(35); // type u16 || last byte of the key id || blinded element
    request.writeUInt16BE(VOPRF);
    request[2] = next.truncatedKeyId;
    assert.throws(() => identify(request, NOW), { code: "token/unknown-key" });
    assert.equal(identify(request, NOW + EPOCH).epoch, 701); // control
    await rotateIssuerKeys(keys, store, arenas, NOW + EPOCH);
    assert.deepEqual(idsOf(keys, 1), early);
  });

  for (const ahead of [2, 5])
    it(`makes no key again that a clock ${ahead} epochs ahead had made, also without another start`, async () => {
      const early = idsOf(await start(NOW + ahead * EPOCH), ahead);
      const keys = await start(NOW);
      assert.deepEqual(idsOf(keys, ahead), []);
      for (let epoch = 1; epoch <= ahead; epoch++) await rotateIssuerKeys(keys, store, arenas, NOW + epoch * EPOCH);
      // All but those whose last byte a key of the epochs between has by chance: these are made anew.
      const later = idsOf(keys, ahead);
      assert.ok(later.filter((id) => early.includes(id)).length >= 2);
      assert.deepEqual(idsOf(await start(NOW + ahead * EPOCH), ahead), later);
    });
});
