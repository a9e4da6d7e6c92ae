import assert from "node:assert/strict";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { leadingZeroBits, workDigest, workInput } from "../../src/crypto/work.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { dayOfNonce, MAX_EFFORT, parseWorkSlot, solve, workSeed } from "../../tokens/work.ts";

const key = (): GuardedKey => new GuardedKey(32, (memory) => void randomFill(memory));
const malformed = { code: "token/work" };

describe("tokens/work", () => {
  it("has a seed of its own for each day and house, ending in the day's last bit", () => {
    const [here, there] = [key(), key()];
    const seeds = [20000, 20001, 20002].map((day) => workSeed(Buffer.alloc(32), here, day));
    seeds.push(workSeed(Buffer.alloc(32), there, 20000));
    assert.equal(new Set(seeds.map((seed) => seed.toString("hex"))).size, 4);
    assert.deepEqual(
      seeds.map((seed) => seed[31]! & 1),
      [0, 1, 0, 0],
    );
    assert.deepEqual(workSeed(Buffer.alloc(32), here, 20001), seeds[1]);
  });

  it("tells today's nonces from yesterday's", () => {
    for (const today of [20000, 20001])
      for (const day of [today, today - 1]) assert.equal(dayOfNonce(Buffer.alloc(8, day & 1), today), day);
  });

  it("finds what it was asked for, and says how it goes", async function () {
    this.timeout(60_000);
    const [seed, requestId] = [randomBytes(32), randomBytes(16)];
    let told = 0;
    const slot = await solve(Buffer.alloc(354), seed, requestId, 3, { onProgress: (tries) => (told = tries) });
    const digest = Buffer.alloc(16);
    const nonce = parseWorkSlot(slot);
    assert.equal(nonce[7]! & 1, seed[31]! & 1);
    await workDigest(digest, workInput(Buffer.alloc(48), seed, requestId, nonce));
    assert.ok(leadingZeroBits(digest) >= 3);
    assert.ok(told >= 1);
  });

  it("leaves the event loop free and ends when it is told to", async () => {
    const controller = new AbortController();
    let turns = 0;
    const counter = setInterval(() => turns++, 1);
    try {
      const search = solve(Buffer.alloc(354), randomBytes(32), randomBytes(16), MAX_EFFORT, {
        signal: controller.signal,
        onProgress: (tries) => tries === 8 && controller.abort(new Error("enough")),
      });
      await assert.rejects(search, /enough/);
      assert.ok(turns >= 4, `${turns}`);
    } finally {
      clearInterval(counter);
    }
  });

  it("refuses to search for more than anybody should, or for ill-formed terms", async () => {
    const [seed, requestId] = [randomBytes(32), randomBytes(16)];
    for (const effort of [MAX_EFFORT + 1, 255, NaN])
      await assert.rejects(solve(Buffer.alloc(354), seed, requestId, effort), malformed);
    await assert.rejects(solve(Buffer.alloc(353), seed, requestId, 0), malformed);
    await assert.rejects(solve(Buffer.alloc(354), seed.subarray(1), requestId, 0), malformed);
    await assert.rejects(solve(Buffer.alloc(354), seed, requestId.subarray(1), 0), malformed);
  });

  it("knows a slot by its type, its length and its zeros", async () => {
    const slot = await solve(Buffer.alloc(354), randomBytes(32), randomBytes(16), 0);
    assert.equal(slot.readUInt16BE(0), 0xf0d5);
    parseWorkSlot(slot);
    for (const at of [0, 1, 10, 200, 353]) {
      const bent = Buffer.from(slot);
      bent[at]! ^= 1;
      assert.throws(() => parseWorkSlot(bent), malformed, `${at}`);
    }
    for (const bad of [slot.subarray(0, 353), Buffer.concat([slot, Buffer.alloc(1)]), Buffer.alloc(0)])
      assert.throws(() => parseWorkSlot(bad), malformed);
  });
});
