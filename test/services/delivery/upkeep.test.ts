import assert from "node:assert/strict";
import { encode } from "../../../src/wire/codec.ts";
import { itemKinds } from "../../../src/wire/documents.ts";
import { operations } from "../../../src/wire/operations.ts";
import { DAY_SECONDS, keptPeriods, MONTH_SECONDS } from "../../../src/services/delivery/kept.ts";
import { groupUseRecord, useName } from "../../../src/services/delivery/use.ts";
import { sweep } from "../../../src/store/expiry.ts";
import type { Room } from "../../../src/store/rooms.ts";
import { ArenaPool } from "../../../src/memory/arena.ts";
import type { TestQueue } from "../queue/test-queue.ts";
import type { Services } from "../services.ts";
import { agree, groupNow, listen, makeSetting, recordOf, type Setting } from "./setting.ts";
import { TestMember } from "./test-member.ts";

const { requestsPerDay } = operations["ds.send"].limits;
const { inactiveMonths } = operations["ds.commit"].limits;

/** What the house does every hour. */
async function sweepAll({ store, now }: Services): Promise<number> {
  const periods = Object.entries(keptPeriods).map(([room, { seconds, behind }]) => ({
    room: room as Room,
    seconds,
    keepSeconds: behind * seconds,
  }));
  const arena = new ArenaPool([[64 << 10, 4]]).arena();
  try {
    return await sweep(store, { now, periods, arena });
  } finally {
    arena.close();
  }
}

describe("services/delivery: limits and time", () => {
  let setting: Setting;
  let services: Services;
  let alice: TestMember;
  let bob: TestMember;
  let carol: TestMember;
  beforeEach(async () => {
    setting = await makeSetting(3);
    ({ services } = setting);
    [alice, bob, carol] = setting.members as [TestMember, TestMember, TestMember];
  });
  afterEach(() => setting.close());

  const months = (count: number): void => {
    services.now += count * MONTH_SECONDS;
  };
  const pseudonymOf = ({ group }: TestMember): Uint8Array =>
    group.members().find(({ leafIndex }) => leafIndex === group.ownLeaf)!.pseudonym;
  /** As if the member had asked so often today. */
  const asked = (member: TestMember, count: number): Promise<void> =>
    services.call(async (call) => {
      const name = useName(call, member.groupId, pseudonymOf(member));
      const partition = Math.floor(services.now / DAY_SECONDS);
      call.tx.put("groupUse", name, encode(groupUseRecord, { count }, Buffer.alloc), { partition });
    });

  describe("a pseudonym's day", () => {
    it("has so many requests of every kind, and not one more; the others have their own", async () => {
      await asked(bob, requestsPerDay - 1);
      const commit = await bob.committing({});
      await bob.send("the last");
      const limit = { code: "group/limit" };
      const request = await bob.sending("one more");
      await assert.rejects(services.ask("ds.send", request, bob.group), limit);
      const recipient = alice.group.ownLeaf;
      await assert.rejects(services.ask("ds.sendTo", { ...request, recipient }, bob.group), limit);
      await assert.rejects(services.ask("ds.commit", commit.request, bob.group), limit);
      await assert.rejects(services.ask("ds.leave", await bob.leaving(), bob.group), limit);
      const { request: again } = await bob.resyncing(await bob.group.groupKey());
      await assert.rejects(services.ask("ds.resync", again, bob.group), limit);
      await services.reopen();
      await assert.rejects(services.ask("ds.send", request, bob.group), limit);
      await carol.send("mine");
      await listen([alice]);
      assert.deepEqual(alice.heard, ["the last", "mine"]);
    });

    it("ends at midnight (UTC)", async () => {
      const midnight = Math.floor(services.now / DAY_SECONDS + 1) * DAY_SECONDS;
      await asked(bob, requestsPerDay);
      services.now = midnight - 1;
      await assert.rejects(services.ask("ds.send", await bob.sending("late"), bob.group), { code: "group/limit" });
      services.now = midnight;
      await bob.send("early");
    });

    it("is not charged for what is refused", async () => {
      await asked(bob, requestsPerDay - 1);
      const request = { ...(await bob.sending("x")), message: Buffer.alloc(3) };
      for (let i = 0; i < 3; i++) {
        await assert.rejects(services.ask("ds.send", request, bob.group), { code: "group/invalid" });
      }
      await bob.send("counts");
    });
  });

  describe("a group", () => {
    it("is gone after so many months without a request, and not one sooner", async () => {
      const month = Math.floor(services.now / MONTH_SECONDS) * MONTH_SECONDS;
      const last = { key: await alice.group.groupKey(), id: alice.groupId };
      services.now = month + 13 * MONTH_SECONDS - 1;
      await sweepAll(services);
      assert.ok(await recordOf(services, "group", last.id));
      services.now = month + 13 * MONTH_SECONDS;
      assert.equal(await recordOf(services, "group", last.id), undefined);
      assert.ok((await sweepAll(services)) > 0);
      services.now = month;
      assert.equal(await recordOf(services, "group", last.id), undefined); // not hidden, but deleted
    });

    it("is kept by any member's request, over a restart", async () => {
      for (let i = 0; i < 3; i++) {
        months(11);
        await bob.send(`month ${i}`);
        await sweepAll(services);
        await services.reopen();
      }
      assert.ok(await groupNow(services, bob.groupId, await bob.group.groupKey()));
    });

    it("is written again once a month for each member, and not more often", async () => {
      const writes = async (member: TestMember) =>
        (await services.asked("ds.send", await member.sending("hello"), member.group)).writes;
      await writes(bob);
      const usual = await writes(bob);
      months(1);
      const { length } = [await writes(bob), await writes(carol)].filter((count) => count > usual);
      assert.equal(length, 2);
      assert.deepEqual([await writes(bob), await writes(carol)], [usual, usual]);
    });
  });

  describe("the house's own proposals", () => {
    it("remove who was away for longer than the months allowed, and nobody else, never who asks", async () => {
      months(inactiveMonths);
      await bob.send("still there");
      await sweepAll(services);
      assert.deepEqual((await groupNow(services, bob.groupId, await bob.group.groupKey()))?.pending, []);
      months(1);
      await bob.send("month after");
      const now = await groupNow(services, bob.groupId, await bob.group.groupKey());
      assert.deepEqual(
        now?.pending.map(({ leaf }) => leaf).toSorted(),
        [alice, carol].map((m) => m.group.ownLeaf),
      );
      const kinds = await bob.listen();
      assert.deepEqual(kinds.filter((kind) => kind === itemKinds.proposal).length, 2);
      await bob.commit({});
      await listen([alice, carol]);
      assert.deepEqual([alice.removed, carol.removed], [true, true]);
      assert.equal(bob.group.isAdmin(bob.group.ownLeaf), true); // somebody has to be
    });

    it("come in the batch of a commit too, and are for the epoch that it begins", async () => {
      months(inactiveMonths);
      await bob.send("still there");
      await bob.listen();
      months(1);
      await bob.commit({});
      const now = await groupNow(services, bob.groupId, await bob.group.groupKey());
      assert.equal(now?.pending.length, 2);
      assert.deepEqual(await bob.listen(), [itemKinds.commit, itemKinds.proposal, itemKinds.proposal]);
      await bob.commit({});
      await listen([alice, carol]);
      assert.deepEqual([alice.removed, carol.removed], [true, true]);
    });

    it("remove whose queue is gone, once a message could not reach it", async () => {
      const gone = await TestMember.create(services);
      await alice.add(gone);
      await listen([bob, carol, gone]);
      await dropQueue(services, gone.queue);
      await alice.send("who is there");
      const now = await groupNow(services, alice.groupId, await alice.group.groupKey());
      assert.deepEqual(
        now?.pending.map(({ leaf }) => leaf),
        [gone.group.ownLeaf],
      );
      await alice.send("asked once only");
      const kinds = await bob.listen();
      assert.deepEqual(kinds, [itemKinds.application, itemKinds.proposal, itemKinds.application]);
      await bob.commit({});
      await listen([alice, carol]);
      agree([alice, bob, carol]);
      assert.equal(alice.group.members().length, 3);
    });

    it("come with the commit that found a queue gone, for the epoch that it begins", async () => {
      await dropQueue(services, carol.queue);
      await bob.commit({});
      assert.deepEqual(await bob.listen(), [itemKinds.commit, itemKinds.proposal]);
      await bob.commit({});
      await alice.listen();
      agree([alice, bob]);
      assert.equal(alice.group.members().length, 2);
    });
  });
});

async function dropQueue(services: Services, queue: TestQueue): Promise<void> {
  await services.call(async (call) => call.tx.delete("queue", queue.queueId));
}
