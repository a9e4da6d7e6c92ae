import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { MAX_PENDING } from "../../../src/mls/suite.ts";
import { itemKinds } from "../../../src/wire/documents.ts";
import { TestQueue } from "../queue/test-queue.ts";
import { keyPair } from "../services.ts";
import { agree, groupNow, listen, makeSetting, type Setting } from "./setting.ts";
import type { TestMember } from "./test-member.ts";

describe("services/delivery: leaving, and a queue that is elsewhere", () => {
  let setting: Setting;
  let alice: TestMember;
  let bob: TestMember;
  let carol: TestMember;
  beforeEach(async () => {
    setting = await makeSetting(3);
    [alice, bob, carol] = setting.members as [TestMember, TestMember, TestMember];
  });
  afterEach(() => setting.close());

  it("[8.8] a leave goes to everybody, over a restart, and the next commit of another carries it out", async () => {
    const { services } = setting;
    await services.ask("ds.leave", await carol.leaving(), carol.group);
    await services.reopen();
    for (const member of setting.members) assert.deepEqual(await member.listen(), [itemKinds.proposal]);
    assert.deepEqual((await groupNow(services, alice.groupId, await alice.group.groupKey()))?.pending.length, 1);
    await bob.commit({});
    await listen(setting.members);
    assert.equal(carol.removed, true);
    agree([alice, bob]);
    assert.equal(alice.group.members().length, 2);
    await alice.send("two of us");
    await bob.listen();
    assert.equal(bob.heard.at(-1), "two of us");
  });

  it("[8.8] a commit that does not carry what is pending is refused with a code of its own, and made anew", async () => {
    const { services } = setting;
    const early = await bob.committing({});
    await services.ask("ds.leave", await carol.leaving(), carol.group);
    await assert.rejects(services.ask("ds.commit", early.request, bob.group), { code: "group/proposals" });
    await bob.catchUp();
    await bob.commit({});
    await listen([alice, bob, carol]);
    assert.equal(carol.removed, true);
    agree([alice, bob]);
  });

  it("[8.8] who is to go may still write, but not commit", async () => {
    const { services } = setting;
    await services.ask("ds.leave", await carol.leaving(), carol.group);
    await listen(setting.members);
    await carol.send("goodbye");
    await bob.listen();
    assert.deepEqual(bob.heard, ["goodbye"]);
    await assert.rejects(carol.commit({}), { code: "group/policy" });
  });

  it("[8.8] no more wait than a commit is to carry; the next has its turn after it, and a resync proposes them all anew", async () => {
    await setting.close();
    setting = await makeSetting(MAX_PENDING + 3);
    const { services } = setting;
    const [first, ...rest] = setting.members as [TestMember, ...TestMember[]];
    const last = rest.pop()!;
    const late = rest.pop()!;
    for (const member of rest) await services.ask("ds.leave", await member.leaving(), member.group);
    await assert.rejects(services.ask("ds.leave", await late.leaving(), late.group), { code: "group/limit" });
    // Nor does the house propose any more, also where a queue is gone.
    const { queueId } = late.queue;
    await services.call(async (call) => call.tx.delete("queue", queueId));
    await last.send("is anybody there");
    const pending = async (member: TestMember) =>
      (await groupNow(services, member.groupId, await member.group.groupKey()))?.pending.length;
    assert.equal(await pending(first), MAX_PENDING);
    await listen([first, last]);
    await first.resync(await first.group.groupKey());
    assert.equal(await pending(first), MAX_PENDING);
    await listen([first, last]);
    await first.commit({});
    await last.listen();
    assert.equal(await pending(first), 1); // whose queue is gone
    assert.equal(last.group.members().length, 3);
  });

  it("[8.8] refuses a second leave, another's, one of another epoch, and what is no leave", async () => {
    const { services } = setting;
    const ask = (request: Awaited<ReturnType<TestMember["leaving"]>>, as = carol.group) =>
      services.ask("ds.leave", request, as);
    const request = await carol.leaving();
    const other = await bob.leaving();
    await assert.rejects(ask({ ...request, proposal: other.proposal }), { code: "group/invalid" });
    await assert.rejects(ask(request, bob.group), { code: "auth/signature" });
    await assert.rejects(ask({ ...request, groupKey: randomBytes(32) }), { code: "group/unavailable" });
    const broken = Buffer.from(request.proposal);
    broken[60]! ^= 1;
    for (const proposal of [broken, Buffer.alloc(0), Buffer.concat([request.proposal, Buffer.alloc(1)])])
      await assert.rejects(ask({ ...request, proposal }), { code: "group/invalid" });
    const { request: commit } = await carol.committing({});
    await assert.rejects(ask({ ...request, proposal: commit.commit.subarray(0, 1024) }), /group\//);
    assert.equal((await alice.queue.ask()).reply.items.length, 1); // its own commit and nothing of these
    await ask(request); // control
    await assert.rejects(ask(request), { code: "group/policy" });
    await bob.catchUp();
    await bob.commit({});
    await alice.listen();
    const late = { ...other, groupKey: await bob.group.groupKey() };
    await assert.rejects(ask(late, bob.group), { code: "group/epoch" });
  });

  it("[8.13] sends to a new handle from the next message on, whatever others commit", async () => {
    const { services } = setting;
    const spare = await TestQueue.create(services);
    const { groupId, ownLeaf: leaf } = bob.group;
    const request = { groupId, groupKey: await bob.group.groupKey(), leaf, handle: await spare.handle() };
    await assert.rejects(services.ask("ds.updateHandle", request, keyPair()), { code: "auth/signature" });
    await services.ask("ds.updateHandle", request, bob.group);
    await services.reopen();
    await alice.send("where is bob");
    await carol.commit({});
    assert.deepEqual(await bob.listen(), []);
    assert.deepEqual(await alice.listen(), [itemKinds.commit]);
    assert.equal((await spare.ask()).reply.items.length, 2);
    await assert.rejects(services.ask("ds.updateHandle", request, bob.group), { code: "group/unavailable" });
  });

  it("[8.13] a commit that brings another handle replaces it, and the confirmation goes there", async () => {
    const { services } = setting;
    const [spare, third] = [await TestQueue.create(services), await TestQueue.create(services)];
    const { groupId, ownLeaf: leaf } = bob.group;
    const request = { groupId, groupKey: await bob.group.groupKey(), leaf, handle: await spare.handle() };
    await services.ask("ds.updateHandle", request, bob.group);
    await bob.commit({}); // its leaf still has the first handle: nothing changes
    assert.equal((await spare.ask()).reply.items.length, 1);
    await alice.listen();
    await bob.commit({ handle: await third.handle() });
    assert.equal((await spare.ask()).reply.items.length, 1);
    assert.equal((await third.ask()).reply.items.length, 1);
    await alice.listen();
    await alice.send("there");
    assert.equal((await third.ask()).reply.items.length, 2);
    assert.deepEqual(await bob.listen(), []);
  });
});
