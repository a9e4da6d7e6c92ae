import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { itemKinds } from "../../../src/wire/documents.ts";
import { TestQueue } from "../queue/test-queue.ts";
import { keyPair } from "../services.ts";
import { agree, groupNow, listen, makeSetting, type Setting } from "./setting.ts";
import { TestMember } from "./test-member.ts";

describe("services/delivery: external commits", () => {
  let setting: Setting;
  afterEach(() => setting.close());

  describe("resync", () => {
    let alice: TestMember;
    let bob: TestMember;
    let carol: TestMember;
    beforeEach(async () => {
      setting = await makeSetting(3);
      [alice, bob, carol] = setting.members as [TestMember, TestMember, TestMember];
    });

    it("[8.11] brings a member back that missed commits, by the way from key to key, over a restart", async () => {
      const { services } = setting;
      const missed = { epoch: carol.group.epoch, key: await carol.group.groupKey() };
      for (const by of [alice, bob, alice]) {
        await by.commit({});
        await listen([alice, bob]);
      }
      await services.reopen();
      let { key } = missed;
      for (let epoch = missed.epoch; epoch < alice.group.epoch; epoch++) key = await carol.step(key, epoch);
      await assert.rejects(carol.step(key, alice.group.epoch), { code: "group/unavailable" });
      await carol.resync(key);
      await listen([alice, bob]);
      agree([alice, bob, carol]);
      await carol.send("back again");
      await listen([alice, bob]);
      assert.deepEqual([alice.heard, bob.heard], [["back again"], ["back again"]]);
      assert.equal(alice.group.members().length, 3);
    });

    it("[8.11] keeps the admin an admin, and takes a new queue, where its confirmation goes", async () => {
      const { services } = setting;
      const spare = await TestQueue.create(services);
      await bob.commit({});
      const before = (await alice.queue.ask()).reply.items.length;
      const key = await alice.step(await alice.group.groupKey(), alice.group.epoch);
      await alice.resync(key, { handle: await spare.handle() });
      assert.equal((await alice.queue.ask()).reply.items.length, before);
      assert.equal((await spare.ask()).reply.items.length, 1);
      await listen([bob, carol]);
      agree([alice, bob, carol]);
      assert.equal(alice.group.isAdmin(alice.group.ownLeaf), true);
      await alice.commit({ remove: [carol.group.ownLeaf] });
      await listen([bob, carol]);
      assert.equal(carol.removed, true);
    });

    it("[8.11] what was pending lapses and is proposed again by the house, in the same batch", async () => {
      const { services } = setting;
      await services.ask("ds.leave", await carol.leaving(), carol.group);
      await bob.resync(await bob.group.groupKey());
      const now = await groupNow(services, bob.groupId, await bob.group.groupKey());
      assert.equal(now?.pending.length, 1);
      assert.deepEqual(await alice.listen(), [itemKinds.proposal, itemKinds.commit, itemKinds.proposal]);
      assert.equal(alice.group.pending.length, 1);
      await alice.commit({});
      await listen([bob, carol]);
      assert.equal(carol.removed, true);
      agree([alice, bob]);
    });

    it("[8.11] of one whose own removal is pending takes that back", async () => {
      const { services } = setting;
      await services.ask("ds.leave", await carol.leaving(), carol.group);
      await carol.resync(await carol.group.groupKey());
      assert.deepEqual((await groupNow(services, bob.groupId, await carol.group.groupKey()))?.pending, []);
      await listen([alice, bob]);
      agree([alice, bob, carol]);
    });

    it("[8.11] of a resync, a commit and a leave at once, one takes the epoch on, whichever comes first", async () => {
      const { services } = setting;
      for (let first = 0; first < 3; first++) {
        const commit = await alice.committing({});
        const resync = await carol.resyncing(await carol.group.groupKey());
        const leave = await bob.leaving();
        const asks = [
          () => services.ask("ds.commit", commit.request, alice.group),
          () => services.ask("ds.resync", resync.request, carol.group),
          () => services.ask("ds.leave", leave, bob.group),
        ];
        const order = [first, (first + 1) % 3, (first + 2) % 3];
        const results = await Promise.allSettled(order.map((i) => asks[i]!()));
        const [done = "", redone = ""] = [0, 1].map((i) => results[order.indexOf(i)]!.status);
        assert.equal([done, redone].filter((status) => status === "fulfilled").length, 1);
        // A leave that came first waits for the commit, which did not have it, or for the house after the resync.
        if (done === "fulfilled") alice.group = commit.pending.next;
        else carol.group = resync.pending.next;
        const winner = done === "fulfilled" ? alice : carol;
        const now = await groupNow(services, winner.groupId, await winner.group.groupKey());
        assert.equal(now?.epoch, winner.group.epoch);
        assert.equal(now?.pending.length, first === 2 ? 1 : 0);
        if (first < 2) {
          await listen(setting.members.filter((member) => member !== winner));
          await winner.listen();
          agree(setting.members);
        }
      }
    });

    it("[8.11] is for the member of that leaf alone, in this epoch, and evicts nobody", async () => {
      const { services } = setting;
      const { request } = await carol.resyncing(await carol.group.groupKey());
      const ask = (change: Partial<typeof request>, as: Parameters<typeof services.ask>[2] = carol.group) =>
        services.ask("ds.resync", { ...request, ...change }, as);
      await assert.rejects(ask({}, bob.group), { code: "auth/signature" });
      await assert.rejects(ask({ leaf: bob.group.ownLeaf }, bob.group), { code: "group/invalid" });
      await assert.rejects(ask({ leaf: 9 }), { code: "auth/signature" });
      await assert.rejects(ask({ groupKey: randomBytes(32) }), { code: "group/unavailable" });
      await assert.rejects(ask({ nextGroupKey: request.groupKey }), { code: "group/invalid" });
      const ordinary = await carol.committing({});
      const { commit, groupInfo, nextGroupKey } = ordinary.request;
      await assert.rejects(ask({ commit, groupInfo, nextGroupKey }), { code: "group/policy" });
      // An outsider that knows the key takes no member's place.
      const stranger = await TestMember.create(services);
      await assert.rejects(stranger.entering(carol.groupId, await carol.group.groupKey()), { code: "group/policy" });
      await ask({}); // control
      await assert.rejects(ask({}), { code: "group/unavailable" });
    });
  });

  describe("join", () => {
    let alice: TestMember;
    let bob: TestMember;
    beforeEach(async () => {
      setting = await makeSetting(1, 2, { membersMayAdd: false, connection: true });
      [alice] = setting.members as [TestMember];
      [bob] = setting.others as [TestMember];
    });

    it("[8.12] lets the second member of a connection in, by the key that the first has told it", async () => {
      const { services } = setting;
      await alice.commit({});
      const { request, pending } = await bob.entering(alice.groupId, await alice.group.groupKey());
      await services.ask("ds.join", request, pending.next);
      bob.group = pending.next;
      assert.deepEqual(await bob.listen(), [itemKinds.commit]);
      assert.equal(bob.confirmed, 1);
      await listen([alice]);
      agree([alice, bob]);
      await bob.send("hello");
      await alice.send("hello back");
      await listen([alice, bob]);
      assert.deepEqual([alice.heard, bob.heard], [["hello"], ["hello back"]]);
    });

    it("[8.12] also in the epoch in which the group was founded", async () => {
      const { services } = setting;
      const { request, pending } = await bob.entering(alice.groupId, await alice.group.groupKey());
      await services.ask("ds.join", request, pending.next);
      bob.group = pending.next;
      await listen([alice]);
      agree([alice, bob]);
    });

    it("[8.12] refuses a third, one that signs with another key, and one into a group that is no connection", async () => {
      const { services, others } = setting;
      await alice.commit({});
      const key = await alice.group.groupKey();
      const early = await others[1]!.entering(alice.groupId, key);
      const { request, pending } = await bob.entering(alice.groupId, key);
      await assert.rejects(services.ask("ds.join", request, keyPair()), { code: "auth/signature" });
      await assert.rejects(services.ask("ds.join", { ...request, groupKey: randomBytes(32) }, pending.next), {
        code: "group/unavailable",
      });
      await services.ask("ds.join", request, pending.next);
      await alice.listen();
      await assert.rejects(services.ask("ds.join", early.request, early.pending.next), { code: "group/unavailable" });
      const late = { ...early.request, groupKey: await alice.group.groupKey() };
      await assert.rejects(services.ask("ds.join", late, early.pending.next), { code: "group/epoch" });
      await assert.rejects(others[1]!.entering(alice.groupId, late.groupKey), { code: "group/policy" });
    });
  });
});
