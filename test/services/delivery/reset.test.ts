import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { MONTH_SECONDS } from "../../../src/services/delivery/kept.ts";
import { itemKinds } from "../../../src/wire/documents.ts";
import { keyPair } from "../services.ts";
import { agree, epochRecordOf, groupNow, listen, makeSetting, recordOf, type Setting } from "./setting.ts";
import type { TestMember } from "./test-member.ts";

describe("services/delivery: reset", () => {
  let setting: Setting;
  let alice: TestMember;
  let others: TestMember[];
  /** Key and epoch in which everybody still was. */
  let key: Uint8Array;
  let epoch: number;

  const vote = async (member: TestMember, groupKey = key, as = member.group) => {
    const { groupId, ownLeaf: leaf } = member.group;
    return (await setting.services.ask("ds.reset", { groupId, groupKey, leaf }, as)).done;
  };
  const gather = async (): Promise<void> => {
    [alice, ...others] = setting.members as [TestMember, ...TestMember[]];
    key = await alice.group.groupKey();
    epoch = alice.group.epoch;
  };
  beforeEach(async () => {
    setting = await makeSetting(5, 1);
    await gather();
  });
  afterEach(() => setting.close());

  it("[8.15] more than half of the others bring the epoch before back, over a restart, and the group goes on", async () => {
    const { services } = setting;
    const [bob, carol, dave, erin] = others as [TestMember, TestMember, TestMember, TestMember];
    await alice.commit({}); // let it be one that nobody can follow
    for (const member of others) await member.queue.ask();
    assert.equal(await vote(bob), 0);
    assert.equal(await vote(bob), 0, "nobody votes twice");
    assert.equal(await vote(carol), 0, "two of four are not more than half");
    await services.reopen();
    assert.equal(await vote(dave), 1);
    assert.equal((await groupNow(services, alice.groupId, key))?.epoch, epoch);
    for (const member of others) {
      const { reply } = await member.queue.ask();
      const kinds = member.queue.open(reply.items).map(([kind]) => kind);
      assert.deepEqual(kinds.slice(-2), [itemKinds.commit, itemKinds.reset]);
    }
    await assert.rejects(vote(erin), { code: "group/unavailable" });
    // Those who never left the epoch go on as if nothing had been, and who made the commit comes back into step.
    await bob.commit({});
    const now = await groupNow(services, bob.groupId, await bob.group.groupKey());
    assert.equal(now?.epoch, epoch + 1);
    await alice.resync(await bob.group.groupKey(), { afterReset: true });
    const again = await groupNow(services, bob.groupId, await alice.group.groupKey());
    assert.equal(again?.memberCount, 5);
  });

  it("[8.15] tells every member in which epoch the group is again", async () => {
    await alice.commit({});
    for (const member of others.slice(0, 3)) await vote(member);
    for (const member of setting.members) {
      const { reply } = await member.queue.ask();
      assert.equal(member.queue.open(reply.items).at(-1)?.[0], itemKinds.reset);
    }
    await alice.listen();
  });

  it("[8.15] undoes several commits of one member at once", async () => {
    const { services } = setting;
    for (let i = 0; i < 3; i++) await alice.commit({});
    for (const member of others.slice(0, 3)) await vote(member);
    assert.equal((await groupNow(services, alice.groupId, key))?.epoch, epoch);
  });

  it("[8.15] ends with the first request of another member in the newer epoch", async () => {
    const { services } = setting;
    await alice.commit({});
    assert.ok(await recordOf(services, "groupRun", alice.groupId));
    assert.ok(await epochRecordOf(services, "groupEpoch", alice.groupId, key));
    assert.equal(await vote(others[0]!), 0);
    await others[1]!.listen();
    await others[1]!.send("I can follow");
    assert.equal(await recordOf(services, "groupRun", alice.groupId), undefined);
    for (const member of others.slice(2)) await assert.rejects(vote(member), { code: "group/unavailable" });
    // Its maker's own requests confirm nothing.
    await alice.listen();
    await alice.commit({});
    await alice.send("all well");
    assert.ok(await recordOf(services, "groupRun", alice.groupId));
  });

  it("[8.15] is not confirmed by a leaf that the same commit brought in, unless an admin did", async () => {
    const { services } = setting;
    const [bob, carol, dave] = others as [TestMember, TestMember, TestMember];
    const [accomplice] = setting.others as [TestMember];
    await bob.commit({ add: [await accomplice.keyPackage()] });
    await accomplice.listen();
    await accomplice.send("all well");
    for (const member of [alice, carol, dave]) await vote(member);
    assert.equal((await groupNow(services, alice.groupId, key))?.epoch, epoch);
    assert.equal((await groupNow(services, alice.groupId, key))?.memberCount, 5);
  });

  it("[8.15] puts out nobody whom an admin added and who has asked for something, however silent the others are", async () => {
    await setting.close();
    setting = await makeSetting(2, 2);
    await gather();
    const { services } = setting;
    const [bob] = others as [TestMember];
    const [carol, dave] = setting.others as [TestMember, TestMember];
    await alice.add(carol);
    assert.ok(await recordOf(services, "groupRun", alice.groupId));
    await listen([carol]);
    await carol.send("I am here");
    await assert.rejects(vote(bob), { code: "group/unavailable" });
    // Also who came later in the same run.
    await listen([alice]);
    await gather();
    await bob.listen();
    key = await alice.group.groupKey();
    await alice.commit({});
    await alice.add(dave);
    await dave.listen();
    await dave.send("so am I");
    await assert.rejects(vote(bob), { code: "group/unavailable" });
  });

  it("[8.15] has no vote for who was removed on the way, whose removal waits again", async () => {
    const { services } = setting;
    const [bob, carol, dave, erin] = others as [TestMember, TestMember, TestMember, TestMember];
    const { queueId } = bob.queue;
    await services.call(async (call) => call.tx.delete("queue", queueId));
    await alice.commit({}); // finds that bob's queue is gone
    await alice.listen();
    await alice.commit({}); // takes bob's removal in
    assert.equal((await groupNow(services, alice.groupId, await alice.group.groupKey()))?.memberCount, 4);
    await assert.rejects(vote(bob), { code: "group/policy" });
    assert.equal(await vote(carol), 0);
    assert.equal(await vote(dave), 1, "two of three");
    const now = await groupNow(services, alice.groupId, key);
    assert.deepEqual([now?.epoch, now?.pending.map(({ leaf }) => leaf)], [epoch, [bob.group.ownLeaf]]);
    for (const member of [carol, dave, erin]) {
      const { reply } = await member.queue.ask();
      const kinds = member.queue.open(reply.items).map(([kind]) => kind);
      assert.deepEqual(kinds.slice(-2), [itemKinds.reset, itemKinds.proposal]);
    }
  });

  it("[8.15] is over when everybody was removed who could have voted", async () => {
    await setting.close();
    setting = await makeSetting(2, 1);
    await gather();
    const { services } = setting;
    const [bob] = others as [TestMember];
    const [carol] = setting.others as [TestMember];
    const { queueId } = bob.queue;
    await services.call(async (call) => call.tx.delete("queue", queueId));
    await alice.commit({});
    await alice.listen();
    await alice.commit({});
    await alice.add(carol);
    await assert.rejects(vote(bob), { code: "group/unavailable" });
    assert.equal((await groupNow(services, alice.groupId, await alice.group.groupKey()))?.memberCount, 2);
  });

  it("[8.15] no commit gives an epoch the key of one before, which would cover the state to go back to", async () => {
    const { services } = setting;
    await alice.commit({});
    const { request, pending } = await alice.committing({});
    const covering = { ...request, nextGroupKey: key };
    await assert.rejects(services.ask("ds.commit", covering, alice.group), { code: "group/invalid" });
    await services.ask("ds.commit", request, alice.group); // control
    alice.group = pending.next;
    for (const member of others.slice(0, 3)) await vote(member);
    assert.equal((await groupNow(services, alice.groupId, key))?.epoch, epoch);
  });

  it("[8.15] never undoes a removal, so that a vote brings nobody back and puts nobody out", async () => {
    const { services } = setting;
    const [bob, carol, dave, erin] = others as [TestMember, TestMember, TestMember, TestMember];
    await alice.commit({ remove: [erin.group.ownLeaf] });
    for (const member of [bob, carol, dave, erin]) {
      await assert.rejects(vote(member), { code: "group/unavailable" });
    }
    assert.equal((await groupNow(services, alice.groupId, await alice.group.groupKey()))?.memberCount, 4);
    // Also where the removal comes later in a run.
    await listen([bob, carol, dave]);
    await bob.send("confirmed");
    const second = await alice.group.groupKey();
    await alice.commit({});
    await alice.commit({ remove: [dave.group.ownLeaf] });
    for (const member of [bob, carol, dave]) {
      await assert.rejects(vote(member, second), { code: "group/unavailable" });
    }
  });

  it("[8.15] undoes no change of roles either, but a leave, which is pending again", async () => {
    const { services } = setting;
    const [bob, carol, dave, erin] = others as [TestMember, TestMember, TestMember, TestMember];
    const pseudonym = (member: TestMember): Uint8Array =>
      member.group.members().find(({ leafIndex }) => leafIndex === member.group.ownLeaf)!.pseudonym;
    await alice.commit({ policy: { admins: [pseudonym(alice), pseudonym(bob)] } });
    await assert.rejects(vote(carol), { code: "group/unavailable" });
    await listen([bob, carol, dave, erin]);
    // The policy that follows from an admin's leave is no change of its own.
    await services.ask("ds.leave", await bob.leaving(), bob.group);
    await listen(setting.members);
    await gather();
    await carol.commit({});
    assert.equal(await vote(dave), 0);
    assert.equal(await vote(erin), 1);
    const now = await groupNow(services, alice.groupId, key);
    assert.deepEqual([now?.epoch, now?.pending.length, now?.memberCount], [epoch, 1, 5]);
  });

  it("[8.15] has no vote for its maker, a stranger, a wrong leaf or a wrong key", async () => {
    const { services } = setting;
    const before = alice.group;
    await alice.commit({});
    const [bob] = others as [TestMember];
    const policy = { code: "group/policy" };
    await assert.rejects(vote(alice, key, before), policy);
    await assert.rejects(vote(bob, randomBytes(32)), { code: "group/unavailable" });
    await assert.rejects(vote(bob, await alice.group.groupKey()), { code: "group/unavailable" });
    const request = { groupId: alice.groupId, groupKey: key, leaf: bob.group.ownLeaf };
    await assert.rejects(services.ask("ds.reset", request, keyPair()), { code: "auth/signature" });
    await assert.rejects(services.ask("ds.reset", { ...request, leaf: 9 }, bob.group), { code: "auth/signature" });
    await assert.rejects(services.ask("ds.reset", { ...request, groupId: randomBytes(16) }, bob.group), {
      code: "group/unavailable",
    });
    assert.equal(await vote(bob), 0); // control
  });

  it("[8.15] of two, the other decides alone; who is alone has nobody to ask", async () => {
    await setting.close();
    setting = await makeSetting(2);
    await gather();
    await alice.commit({});
    assert.equal(await vote(others[0]!), 1);
    await setting.close();
    setting = await makeSetting(1);
    await gather();
    await alice.commit({});
    assert.equal(await recordOf(setting.services, "groupRun", alice.groupId), undefined);
  });

  it("[8.15] keeps the state before for its month and the next", async () => {
    const { services } = setting;
    const month = Math.floor(services.now / MONTH_SECONDS) * MONTH_SECONDS;
    await alice.commit({});
    services.now = month + 2 * MONTH_SECONDS - 1;
    assert.equal(await vote(others[0]!), 0);
    services.now = month + 2 * MONTH_SECONDS;
    await assert.rejects(vote(others[1]!), { code: "group/unavailable" });
  });

  it("[8.15] the members are in step again after it", async () => {
    const [bob, carol, dave, erin] = others as [TestMember, TestMember, TestMember, TestMember];
    await alice.commit({});
    for (const member of [bob, carol, dave]) await vote(member);
    await bob.commit({}); // nobody has taken alice's
    for (const member of [carol, dave, erin]) await member.listenAfterReset();
    agree([bob, carol, dave, erin]);
  });
});
