import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { randomBytes } from "../../../src/crypto/random.ts";
import type { RequestOf } from "../../../src/wire/operations.ts";
import { spawnHouse } from "../../spawn-house.ts";
import { startTestHouse, type TestHouse } from "../../house.ts";
import { pay, rawAccount, rawHouse, type RawHouse } from "../../raw-account.ts";
import { type keySigner, replyOf } from "../../raw-client.ts";
import { rawPair, rawQueue, type RawGroup } from "../../raw-group.ts";

describe("services/delivery: an answer that was lost", function () {
  this.timeout(30_000);
  let house: TestHouse;
  let raw: RawHouse;
  let delivers: Buffer[];
  let creates: Buffer[];
  let group: RawGroup;
  let itemsOf: (place: 0 | 1) => Promise<number>;

  beforeEach(async () => {
    house = await startTestHouse();
    raw = await rawHouse(house);
    const account = await rawAccount(house, raw, "lost.answer");
    [creates, delivers] = [await account.draw("create"), await account.draw("deliver")];
    const queues = [await rawQueue(raw, creates), await rawQueue(raw, creates)] as const;
    group = await rawPair(house, raw, queues, { create: creates, deliver: delivers });
    itemsOf = async (place) => {
      const { queueId, signer } = queues[place];
      const reply = await raw.ask({ operation: "qs.read", request: { queueId, acknowledge: 0, wait: 0 }, signer });
      return replyOf("qs.read", reply).items.length;
    };
  });
  afterEach(async () => {
    raw.close();
    await house.stop();
  });

  const restart = async (): Promise<void> => {
    raw.close();
    await house.restart();
    raw = await rawHouse(house);
  };

  it("[4.4] a reservation that is asked for again is the same one, over a restart", async () => {
    const ask = { operation: "ds.reserve", request: {}, token: pay("ds.reserve", creates), requestId: randomBytes(16) };
    const first = await raw.ask({ ...ask, operation: "ds.reserve" });
    await restart();
    const again = await raw.ask({ ...ask, operation: "ds.reserve" });
    assert.deepEqual(replyOf("ds.reserve", again), replyOf("ds.reserve", first));
    assert.equal((await raw.ask({ ...ask, operation: "ds.reserve", requestId: randomBytes(16) })).code, "token/spent");
  });

  it("[4.4] a commit that is sent again is answered again, and taken once", async () => {
    const { founder, groupId, groupKey } = group;
    const { commit, groupInfo, nextGroupKey, recovery } = await founder.commit({ now: house.now() });
    const request: RequestOf<"ds.commit"> = {
      groupId,
      groupKey,
      nextGroupKey,
      leaf: founder.ownLeaf,
      commit,
      groupInfo,
      welcome: Buffer.alloc(0),
      recovery,
    };
    const signer: ReturnType<typeof keySigner> = (...parts) => founder.signWithLeaf("request", ...parts);
    const same = {
      operation: "ds.commit",
      request,
      signer,
      token: pay("ds.commit", delivers),
      requestId: randomBytes(16),
    } as const;
    const before = [await itemsOf(0), await itemsOf(1)];
    assert.equal((await raw.ask(same)).code, "ok");
    await restart();
    assert.equal((await raw.ask(same)).code, "ok");
    assert.deepEqual([await itemsOf(0), await itemsOf(1)], [before[0]! + 1, before[1]! + 1]);
    // With another token it is a commit of an epoch that is over.
    const { code } = await raw.ask({ ...same, token: pay("ds.commit", delivers), requestId: randomBytes(16) });
    assert.equal(code, "group/unavailable");
  });

  it("[4.4] a refusal is a retry's answer too", async () => {
    const same = {
      operation: "ds.recover",
      request: { groupId: group.groupId, groupKey: randomBytes(32), leaf: 0 },
      token: pay("ds.recover", delivers),
      requestId: randomBytes(16),
    } as const;
    for (let i = 0; i < 2; i++) assert.equal((await raw.ask(same)).code, "group/unavailable");
  });
});

describe("services/delivery: kill -9", function () {
  this.timeout(60_000);

  it("[4.3] leaves a commit under way whole or undone; the same request again ends it, and it is taken once", async () => {
    const house = await spawnHouse();
    let raw = await rawHouse(house);
    try {
      const account = await rawAccount(house, raw, "killed.answer");
      const [creates, delivers] = [await account.draw("create"), await account.draw("deliver")];
      const queues = [await rawQueue(raw, creates), await rawQueue(raw, creates)] as const;
      const { groupId, ...group } = await rawPair(house, raw, queues, { create: creates, deliver: delivers });
      let { founder, groupKey } = group;
      const commits: Buffer[] = [];
      let unanswered = 0;
      for (const delay of [0, 4, 8, 16]) {
        const made = await founder.commit({ now: house.now() });
        const by = founder;
        const same = {
          operation: "ds.commit",
          request: {
            groupId,
            groupKey,
            nextGroupKey: made.nextGroupKey,
            leaf: by.ownLeaf,
            commit: made.commit,
            groupInfo: made.groupInfo,
            welcome: Buffer.alloc(0),
            recovery: made.recovery,
          },
          signer: (...parts: Uint8Array[]) => by.signWithLeaf("request", ...parts),
          token: pay("ds.commit", delivers),
          requestId: randomBytes(16),
        } as const;
        const asked = raw.ask(same).catch(() => undefined);
        await pause(delay);
        await house.kill();
        if ((await asked) === undefined) unanswered++;
        raw.close();
        await house.start();
        raw = await rawHouse(house);
        for (let i = 0; i < 2; i++) assert.equal((await raw.ask(same)).code, "ok");
        commits.push(Buffer.from(made.commit));
        [founder, groupKey] = [made.next, made.nextGroupKey];
      }
      assert.ok(unanswered > 0, "no request was cut off");
      for (const { queueId, signer } of queues) {
        const reply = await raw.ask({ operation: "qs.read", request: { queueId, acknowledge: 0, wait: 0 }, signer });
        const { length } = replyOf("qs.read", reply).items;
        assert.equal(length, 1 + commits.length); // the first commit or the Welcome, then each of these once
      }
    } finally {
      raw.close();
      await house.remove();
    }
  });
});
