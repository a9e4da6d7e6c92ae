import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";
import { replyOf, type RawReply } from "../raw-client.ts";
import { spawnHouse, type SpawnedHouse } from "../spawn-house.ts";

describe("[4.3] kill -9 in the middle of work", function () {
  this.timeout(60_000);
  let house: SpawnedHouse;
  let raw: RawHouse;
  before(async () => {
    house = await spawnHouse();
    raw = await rawHouse(house);
  });
  after(async () => {
    raw.close();
    await house.remove();
  });

  it("leaves every answered token spent and its queue there, and every unanswered request whole or undone", async () => {
    const account = await rawAccount(house, raw, "crash.dummy");
    // A queue costs four tokens: a batch of 100 is 25 queues.
    const drawn = await account.draw("create");
    const tokens = Array.from({ length: 25 }, (_, i) => Buffer.concat(drawn.slice(4 * i, 4 * i + 4)));
    const create = (token: Buffer, requestId: Buffer, ownerKey: Buffer) => {
      const request = { ownerKey, ratchetSecret: ownerKey, friendshipToken: ownerKey };
      return raw.ask({ operation: "qs.createQueue", request, token, requestId });
    };
    const asked = tokens.slice(0, 24).map((token) => ({
      token,
      requestId: randomBytes(16),
      key: randomBytes(32),
      reply: undefined as RawReply | undefined,
    }));
    let answered = 0;
    const running = asked.map(async (one) => {
      try {
        one.reply = await create(one.token, one.requestId, one.key);
      } catch {
        return; // the house was gone
      }
      if (++answered === 8) await house.kill();
    });
    await Promise.all(running);
    assert.ok(answered >= 8);
    await house.start();
    raw.close();
    raw = await rawHouse(house);
    for (const { token, requestId, key, reply } of asked) {
      // Another use of a token that was answered: refused. Of one that was not: refused, or the first use there is.
      if (reply !== undefined) {
        assert.equal(reply.code, "ok");
        assert.equal((await create(token, randomBytes(16), key)).code, "token/spent");
      }
      const again = await create(token, requestId, key);
      assert.equal(again.code, "ok");
      if (reply !== undefined) assert.deepEqual(replyOf("qs.createQueue", again), replyOf("qs.createQueue", reply));
    }
    // Control: a token that was never sent is still good.
    assert.equal((await create(tokens[24] ?? Buffer.alloc(0), randomBytes(16), randomBytes(32))).code, "ok");
  });
});
