import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { blindBatch, finishBatch, finishedLengthOf, freshPending, PENDING_LENGTH } from "../../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../../tokens/challenge.ts";
import { allTokenClasses, type TokenClass } from "../../tokens/classes.ts";
import { entryOf, parseGenericRequest } from "../../tokens/generic-batch.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { exportIssuerKey, importIssuerKey, IssuerKeys, keyRecordLength } from "../../tokens/keys.ts";
import { parseToken } from "../../tokens/token.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { Wallet } from "../../tokens/wallet.ts";
import { allocate, DAY, drawTokens, makeSetting, NOW, ORIGIN, type Setting } from "./setting.ts";

const limits = { maxBatch: 100, now: NOW };
const options = { ...limits, allocate };
const malformed = { code: "token/batch" };
const invalid = { code: "token/invalid" };
const unknown = { code: "token/unknown-key" };
const name = Buffer.alloc(32);

let setting: Setting;
before(async () => {
  setting = await makeSetting(ORIGIN, [VOPRF, BLIND_RSA]);
});

function begin(tokenClass: TokenClass, count: number) {
  const { publicKey } = setting.keys.current(tokenClass, NOW, BLIND_RSA);
  const key = { publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN, BLIND_RSA)) };
  const pending = Buffer.alloc(count * PENDING_LENGTH);
  freshPending(pending);
  return { key, pending, request: blindBatch(key, pending) };
}

describe("tokens of type 0x0002: keys", () => {
  it("stand beside those of type 0x0005, one per class and type, none for invitations", () => {
    const { keys } = setting;
    assert.equal(keys.all.length, 2 * allTokenClasses.length - 1);
    for (const tokenClass of allTokenClasses.filter((c) => c !== "invite")) {
      const key = keys.current(tokenClass, NOW, BLIND_RSA);
      assert.equal(key.type, BLIND_RSA);
      assert.equal(keys.byTruncatedKeyId(key.truncatedKeyId, BLIND_RSA), key);
      assert.equal(keys.byKeyId(key.keyId), key);
      assert.notEqual(keys.current(tokenClass, NOW), key);
    }
    assert.throws(() => keys.current("invite", NOW, BLIND_RSA), unknown);
  });

  it("may share a truncated id with one of the other type only", () => {
    const key = setting.keys.current("deliver", NOW, BLIND_RSA);
    const keys = new IssuerKeys();
    const record = exportIssuerKey(Buffer.alloc(keyRecordLength(key)), key);
    keys.add(importIssuerKey(record));
    const voprf = setting.keys.current("deliver", NOW);
    keys.add({ ...voprf, truncatedKeyId: key.truncatedKeyId });
    assert.equal(keys.byTruncatedKeyId(key.truncatedKeyId)?.type, VOPRF);
    const other = setting.keys.current("connect", NOW, BLIND_RSA);
    assert.throws(() => keys.add({ ...other, truncatedKeyId: key.truncatedKeyId }), {
      code: "crypto/input",
    });
  });

  it("come back from their export, and from no broken record", () => {
    const key = setting.keys.current("connect", NOW, BLIND_RSA);
    const record = exportIssuerKey(Buffer.alloc(keyRecordLength(key)), key);
    const again = importIssuerKey(record);
    assert.deepEqual(again.publicKey, key.publicKey);
    assert.deepEqual([again.class, again.epoch, again.type], ["connect", 700, BLIND_RSA]);
    const change = (at: number, value: number): Buffer => Buffer.from(record).fill(value, at, at + 1);
    const bad = [
      change(0, 9),
      change(2, 5),
      change(2, 1),
      change(7, 0x31),
      record.subarray(0, -1),
      record.subarray(0, 6),
    ];
    for (const bytes of [...bad, Buffer.concat([record, Buffer.alloc(1)])])
      assert.throws(() => importIssuerKey(bytes), { code: "crypto/input" });
    assert.throws(() => exportIssuerKey(Buffer.alloc(39), key), { code: "crypto/input" });
  });

  it("rotate and expire like the others", async () => {
    const keys = new IssuerKeys([BLIND_RSA]);
    await keys.rotate(NOW, async () => {});
    assert.equal(keys.all.length, allTokenClasses.length);
    const old = keys.current("deliver", NOW, BLIND_RSA);
    await keys.rotate(NOW + 20 * DAY, async () => {});
    assert.equal(keys.all.length, 2 * allTokenClasses.length);
    await keys.rotate(NOW + 27 * DAY, async () => {});
    assert.equal(keys.byKeyId(old.keyId), undefined);
    assert.throws(() => old.secret.use(() => 0), /destroyed/);
  });
});

describe("tokens of type 0x0002: issuing", () => {
  it("says what a request is for, and answers the same to the same", async () => {
    const { request } = begin("deliver", 25);
    const { key, count, form } = identifyBatch(setting.keys, request, limits);
    assert.equal(key, setting.keys.current("deliver", NOW, BLIND_RSA));
    assert.deepEqual([count, form], [25, "generic"]);
    const first = await issueBatch(setting.keys, request, options);
    assert.equal(first.length, request.length);
    assert.deepEqual(await issueBatch(setting.keys, request, options), first);
    assert.notDeepEqual(await issueBatch(setting.keys, begin("deliver", 25).request, options), first);
  });

  it("answers a single request of either type as its batch of one", async () => {
    const rsa = begin("deliver", 1);
    const single = rsa.request.subarray(2);
    assert.equal(identifyBatch(setting.keys, single, limits).form, "single");
    const batch = await issueBatch(setting.keys, rsa.request, options);
    assert.deepEqual(await issueBatch(setting.keys, single, options), batch.subarray(5));

    const { publicKey } = setting.keys.current("deliver", NOW);
    const pending = Buffer.alloc(PENDING_LENGTH);
    freshPending(pending);
    const voprf = blindBatch({ publicKey, challengeDigest: randomBytes(32) }, pending);
    const alone = Buffer.concat([voprf.subarray(0, 3), voprf.subarray(4)]);
    assert.equal(identifyBatch(setting.keys, alone, limits).form, "single");
    const answer = await issueBatch(setting.keys, alone, options);
    assert.deepEqual(answer, (await issueBatch(setting.keys, voprf, options)).subarray(1));
  });

  it("refuses a single request of any other length or type", async () => {
    const single = begin("deliver", 1).request.subarray(2);
    const bad = [
      single.subarray(0, 2),
      single.subarray(0, 3),
      single.subarray(0, 258), // 255 bytes of blinded message
      Buffer.concat([single, Buffer.alloc(1)]), // 257 bytes
      single.subarray(1),
      Buffer.from(single).fill(1, 1, 2),
      Buffer.from(single).fill(5, 1, 2),
    ];
    for (const bytes of bad) await assert.rejects(issueBatch(setting.keys, bytes, options), malformed);
  });

  it("refuses the whole batch when one blinded message is not below the modulus", async () => {
    const { request, key } = begin("deliver", 12);
    const modulus = key.publicKey.subarray(342 - 261, 342 - 5);
    const { list } = parseGenericRequest(request);
    const offset = request.length - list.length;
    for (const at of [0, 11])
      for (const value of [modulus, Buffer.alloc(256, 0xff)]) {
        const bad = Buffer.from(request);
        entryOf(bad.subarray(offset), at).set(value);
        await assert.rejects(issueBatch(setting.keys, bad, options), malformed);
      }
  });

  it("takes up to the limit, and knows no other key, no dead or unborn key", async () => {
    const { request } = begin("deliver", 5);
    await issueBatch(setting.keys, request, { ...options, maxBatch: 5 });
    await assert.rejects(issueBatch(setting.keys, request, { ...options, maxBatch: 4 }), malformed);
    await assert.rejects(issueBatch(setting.keys, request, { ...options, now: NOW + 27 * DAY }), unknown);
    await assert.rejects(issueBatch(setting.keys, request, { ...options, now: NOW - 11 * DAY }), unknown);
    const used = new Set(setting.keys.all.filter((k) => k.type === BLIND_RSA).map((k) => k.truncatedKeyId));
    let free = 0;
    while (used.has(free)) free++;
    const stranger = Buffer.from(request);
    for (let i = 0; i < 5; i++) stranger[2 + 2 + i * 259] = free;
    await assert.rejects(issueBatch(setting.keys, stranger, options), unknown);
  });

  it("lets the event loop turn between slices", async () => {
    const { request } = begin("deliver", 50);
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await issueBatch(setting.keys, request, options);
    running = false;
    assert.ok(turns >= 4, `${turns}`);
  });

  it("gives tokens only for the key's own signatures on this very request", async () => {
    const { key, pending, request } = begin("deliver", 3);
    const finished = Buffer.alloc(3 * finishedLengthOf(BLIND_RSA));
    const response = await issueBatch(setting.keys, request, options);
    for (let i = 5; i < response.length; i += 101) {
      const bent = Buffer.from(response);
      bent[i]! ^= 4;
      assert.throws(
        () => finishBatch(finished, key, pending, request, bent),
        (error: Error) => /^token\/(invalid|batch)$/.test(error.message),
      );
    }
    const theirs = await issueBatch(setting.keys, begin("deliver", 3).request, options);
    assert.throws(() => finishBatch(finished, key, pending, request, theirs), invalid);
    const otherKey = { ...key, publicKey: setting.keys.current("connect", NOW, BLIND_RSA).publicKey };
    assert.throws(
      () => finishBatch(finished, otherKey, pending, request, response),
      (error: Error) => /^token\/(invalid|batch)$/.test(error.message),
    );
    const two = await issueBatch(setting.keys, begin("deliver", 2).request, options);
    assert.throws(() => finishBatch(finished, key, pending, request, two), malformed);
    finishBatch(finished, key, pending, request, response);
    const notAKey = { ...key, publicKey: Buffer.from(key.publicKey).fill(0, 0, 1) };
    assert.throws(() => blindBatch(notAKey, pending), { code: "crypto/input" });
  });
});

describe("tokens of type 0x0002: spending", () => {
  let token: Buffer;
  before(async () => {
    [token] = (await drawTokens(setting, "deliver", 1, BLIND_RSA)) as [Buffer];
  });

  it("accepts a drawn token of its class, in its window, and names it the same each time", () => {
    assert.equal(token.length, 354);
    assert.equal(parseToken(token).authenticator.length, 256);
    const checked = setting.redeemer.check(token, "deliver", name);
    assert.deepEqual([checked.class, checked.epoch], ["deliver", 700]);
    assert.deepEqual(setting.redeemer.check(token, "deliver", Buffer.alloc(32)).spentName, name);
    for (const other of allTokenClasses.filter((c) => c !== "deliver"))
      assert.throws(() => setting.redeemer.check(token, other, name), invalid);
    setting.clock.now = NOW + 27 * DAY;
    assert.throws(() => setting.redeemer.check(token, "deliver", name), unknown);
    setting.clock.now = NOW;
  });

  it("refuses flipped bits everywhere, and trailing or missing bytes", () => {
    for (let bit = 0; bit < 354 * 8; bit++) {
      const bent = Buffer.from(token);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      const inKeyId = bit >= 66 * 8 && bit < 98 * 8;
      assert.throws(() => setting.redeemer.check(bent, "deliver", name), inKeyId ? unknown : invalid, `${bit}`);
    }
    for (const bytes of [Buffer.concat([token, Buffer.alloc(1)]), token.subarray(1), token.subarray(0, 162)])
      assert.throws(() => setting.redeemer.check(bytes, "deliver", name), invalid);
  });

  it("refuses the challenge of another type or origin, and a type that is not its key's", async () => {
    const { publicKey } = setting.keys.current("deliver", NOW, BLIND_RSA);
    for (const challenge of [tokenChallenge(ORIGIN), tokenChallenge(ORIGIN.replace("a", "b"), BLIND_RSA)]) {
      const key = { publicKey, challengeDigest: challengeDigest(challenge) };
      const pending = Buffer.alloc(PENDING_LENGTH);
      freshPending(pending);
      const request = blindBatch(key, pending);
      const finished = Buffer.alloc(288);
      finishBatch(finished, key, pending, request, await issueBatch(setting.keys, request, options));
      const wrong = Buffer.concat([Buffer.from([0, 2]), finished.subarray(0, 32), key.challengeDigest]);
      const keyId = setting.keys.current("deliver", NOW, BLIND_RSA).keyId;
      const bytes = Buffer.concat([wrong, keyId, finished.subarray(32)]);
      assert.equal(bytes.length, 354);
      assert.throws(() => setting.redeemer.check(bytes, "deliver", name), invalid);
    }
    const [voprf] = (await drawTokens(setting, "deliver", 1)) as [Buffer];
    const swapped = Buffer.from(token);
    swapped.set(setting.keys.current("deliver", NOW).keyId, 66);
    assert.throws(() => setting.redeemer.check(swapped, "deliver", name), invalid);
    const back = Buffer.from(voprf);
    back.set(setting.keys.current("deliver", NOW, BLIND_RSA).keyId, 66);
    assert.throws(() => setting.redeemer.check(back, "deliver", name), invalid);
  });

  it("holds a token for one request at a time", async () => {
    const first = await setting.redeemer.reserve(token, randomBytes(16), "deliver");
    await assert.rejects(setting.redeemer.reserve(token, randomBytes(16), "deliver"), { code: "token/spent" });
    first.release();
    (await setting.redeemer.reserve(token, randomBytes(16), "deliver")).release();
  });
});

describe("tokens of type 0x0002: wallet", () => {
  const CHALLENGE = tokenChallenge(ORIGIN, BLIND_RSA);
  const memory = () => {
    const disk = {
      state: undefined as Buffer | undefined,
      load: () => (disk.state === undefined ? undefined : Buffer.from(disk.state)),
      save: async (bytes: Uint8Array) => void (disk.state = Buffer.from(bytes)),
    };
    return disk;
  };
  const open = (storage: ReturnType<typeof memory>): Promise<Wallet> =>
    Wallet.open({ storage, directory: () => setting.keys.all, now: () => setting.clock.now });
  const publicKey = (): Uint8Array => setting.keys.current("deliver", NOW, BLIND_RSA).publicKey;

  it("draws, goes on after a restart with the very request, and spends each token once", async () => {
    const disk = memory();
    const { request } = await (await open(disk)).requestBatch(publicKey(), CHALLENGE, 4);
    const wallet = await open(disk);
    const pending = wallet.pending()[0]!;
    assert.deepEqual(pending.request, request);
    assert.equal(await wallet.finalize(pending, await issueBatch(setting.keys, request, options)), 4);
    const seen = new Set<string>();
    for (let left = 4; left > 0; left--) {
      const slot = Buffer.alloc(354, 1);
      const token = await (await open(disk)).take("deliver", slot);
      assert.equal(token.length, 354);
      setting.redeemer.check(token, "deliver", name);
      seen.add(token.toString("hex"));
    }
    assert.equal(seen.size, 4);
    assert.equal((await open(disk)).count("deliver"), 0);
  });

  it("puts a shorter token in front of zeros, and refuses too short a place", async () => {
    const wallet = await open(memory());
    const { publicKey: voprf } = setting.keys.current("deliver", NOW);
    const pending = await wallet.requestBatch(voprf, tokenChallenge(ORIGIN), 2);
    await wallet.finalize(pending, await issueBatch(setting.keys, pending.request, options));
    await assert.rejects(wallet.take("deliver", Buffer.alloc(161)), invalid);
    assert.equal(wallet.count("deliver"), 2);
    const slot = Buffer.alloc(354, 1);
    const token = await wallet.take("deliver", slot);
    assert.equal(token.length, 162);
    assert.ok(slot.subarray(162).every((byte) => byte === 0));
    assert.deepEqual(slot.subarray(0, 162), token);
  });

  it("has one type per class and epoch, and asks under a challenge of the key's type only", async () => {
    const wallet = await open(memory());
    await assert.rejects(wallet.requestBatch(publicKey(), tokenChallenge(ORIGIN)), invalid);
    await wallet.requestBatch(publicKey(), CHALLENGE, 1);
    const { publicKey: voprf } = setting.keys.current("deliver", NOW);
    await assert.rejects(wallet.requestBatch(voprf, tokenChallenge(ORIGIN), 1), { code: "token/allowance" });
    const { publicKey: other } = setting.keys.current("connect", NOW);
    await wallet.requestBatch(other, tokenChallenge(ORIGIN), 1);
  });
});
