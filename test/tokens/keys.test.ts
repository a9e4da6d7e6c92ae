import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isZero } from "../../src/memory/locked.ts";
import { allTokenClasses, tokenClasses, tokenClassOf } from "../../tokens/classes.ts";
import { dayOf, epochOf, isLive, windowOf } from "../../tokens/epochs.ts";
import { exportIssuerKey, importIssuerKey, IssuerKeys, KEY_RECORD_LENGTH, type StoreKeys } from "../../tokens/keys.ts";
import { DAY, NOW } from "./setting.ts";

const kept: StoreKeys = async () => {};

describe("tokens/classes", () => {
  it("numbers at most five classes, both ways", () => {
    assert.ok(allTokenClasses.length <= 5);
    for (const name of allTokenClasses) assert.equal(tokenClassOf(tokenClasses[name]), name);
    assert.equal(tokenClassOf(0), undefined);
    assert.equal(tokenClassOf(6), undefined);
  });
});

describe("tokens/epochs", () => {
  it("lets windows overlap by seven days and leave no gap", () => {
    const [here, next] = [windowOf(700), windowOf(701)];
    assert.equal(here.notAfter - next.notBefore + 1, 7);
    assert.equal(epochOf(here.notBefore * DAY), 700);
    assert.equal(epochOf(here.notBefore * DAY - 1), 699);
    assert.ok(!isLive(here, here.notBefore * DAY - 1));
    assert.ok(isLive(here, here.notBefore * DAY));
    assert.ok(isLive(here, (here.notAfter + 1) * DAY - 1));
    assert.ok(!isLive(here, (here.notAfter + 1) * DAY));
    assert.equal(dayOf(DAY - 1), 0);
  });
});

describe("tokens/keys", () => {
  it("has one current key per class, found by its id", async () => {
    const keys = new IssuerKeys();
    assert.throws(() => keys.current("deliver", NOW), { code: "token/unknown-key" });
    await keys.rotate(NOW, kept);
    assert.equal(keys.all.length, allTokenClasses.length);
    for (const name of allTokenClasses) {
      const key = keys.current(name, NOW);
      assert.equal(key.class, name);
      assert.equal(key.epoch, 700);
      assert.deepEqual(key.keyId, createHash("sha256").update(key.publicKey).digest());
      assert.equal(key.truncatedKeyId, key.keyId[31]);
      assert.equal(keys.byKeyId(Buffer.from(key.keyId)), key);
      assert.equal(keys.byTruncatedKeyId(key.truncatedKeyId), key);
      const other = Buffer.from(key.keyId);
      other[0]! ^= 1;
      assert.equal(keys.byKeyId(other), undefined);
    }
    assert.equal(keys.byKeyId(Buffer.alloc(31)), undefined);
  });

  it("rotates once per epoch, keeps the old key for its overlap, then destroys it", async () => {
    const keys = new IssuerKeys();
    await keys.rotate(NOW, kept);
    const old = keys.current("deliver", NOW);
    await keys.rotate(NOW + DAY, () => assert.fail("nothing to do"));
    const next = NOW + 20 * DAY;
    await Promise.all([keys.rotate(next, kept), keys.rotate(next, kept)]);
    assert.equal(keys.all.length, 2 * allTokenClasses.length);
    assert.notEqual(keys.current("deliver", next), old);
    assert.equal(keys.byKeyId(old.keyId), old);
    await keys.rotate(next + 6 * DAY, () => assert.fail("nothing to do"));
    let expired = 0;
    await keys.rotate(next + 7 * DAY, async (created, gone) => {
      assert.equal(created.length, 0);
      expired = gone.length;
    });
    assert.equal(expired, allTokenClasses.length);
    assert.equal(keys.byKeyId(old.keyId), undefined);
    assert.throws(() => old.secret.use(() => 0), /destroyed/);
  });

  it("makes an epoch's keys ahead of it, and never has more than two of a class", async () => {
    const ahead = 5 * 3600;
    const keys = new IssuerKeys(undefined, ahead);
    const start = windowOf(701).notBefore * DAY;
    await keys.rotate(start - ahead - 1, kept);
    assert.equal(keys.all.length, allTokenClasses.length);
    for (const now of [start - ahead, start - 1, start, start + 3 * DAY, start + 8 * DAY, start + 30 * DAY - 1]) {
      await keys.rotate(now, kept);
      for (const name of allTokenClasses) {
        const same = keys.all.filter((key) => key.class === name);
        assert.ok(same.length <= 2);
        assert.equal(keys.current(name, now).epoch, epochOf(now));
      }
    }
    assert.ok(keys.all.some(({ epoch }) => epoch === 702));
    assert.ok(
      !isLive(
        keys.all.find(({ epoch }) => epoch === 702)!,
        start + 30 * DAY - 1,
      ),
    );
  });

  it("uses no key that could not be stored", async () => {
    const keys = new IssuerKeys();
    await assert.rejects(
      keys.rotate(NOW, async () => {
        assert.equal(keys.all.length, 0);
        throw new Error("disk");
      }),
      /disk/,
    );
    assert.equal(keys.all.length, 0);
    await keys.rotate(NOW, kept);
    assert.equal(keys.all.length, allTokenClasses.length);
  });

  it("never has two keys of one truncated id", async () => {
    const keys = new IssuerKeys();
    let rotations = 0;
    // 2 * 5 live keys collide by chance in one set of six; 40 rotations without the check pass once in thousands.
    for (let epoch = 0; epoch < 40; epoch++) {
      await keys.rotate(NOW + (epoch * 30 - 10) * DAY, async (created, gone) => {
        rotations++;
        assert.equal(gone.length, epoch < 2 ? 0 : allTokenClasses.length);
        const ids = [...keys.all, ...created].map((key) => key.truncatedKeyId);
        assert.equal(new Set(ids).size, ids.length);
      });
    }
    assert.equal(rotations, 40);
  });

  it("comes back from its export, and refuses a second one of its class and epoch, or a broken record", async () => {
    const keys = new IssuerKeys();
    await keys.rotate(NOW, kept);
    const key = keys.current("connect", NOW);
    const record = exportIssuerKey(Buffer.alloc(KEY_RECORD_LENGTH), key);
    const again = importIssuerKey(record);
    const { secret: _, ...publicHalf } = key;
    const { secret: __, ...publicAgain } = again;
    assert.deepEqual(publicAgain, publicHalf);
    const restored = new IssuerKeys();
    restored.add(again);
    assert.equal(restored.current("connect", NOW), again);
    assert.throws(() => restored.add(importIssuerKey(record)), { code: "crypto/input" });
    const sameId = Buffer.from(record);
    sameId[0] = tokenClasses.deliver;
    assert.throws(() => restored.add(importIssuerKey(sameId)), { code: "crypto/input" });
    const zeroSecret = Buffer.from(record).fill(0, 5);
    const noClass = Buffer.from(record).fill(9, 0, 1);
    for (const bad of [zeroSecret, noClass, record.subarray(1), Buffer.alloc(0), Buffer.concat([record, record])])
      assert.throws(() => importIssuerKey(bad), { code: "crypto/input" });
    assert.throws(() => exportIssuerKey(Buffer.alloc(36), key), { code: "crypto/input" });
    assert.ok(!isZero(record.subarray(5)));
  });
});
