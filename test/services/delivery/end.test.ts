import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { itemKinds } from "../../../src/wire/documents.ts";
import { groupNow, listen, makeSetting, recordOf, type Setting } from "./setting.ts";
import type { TestMember } from "./test-member.ts";

describe("services/delivery: delete", () => {
  let setting: Setting;
  let alice: TestMember;
  let bob: TestMember;
  let carol: TestMember;
  beforeEach(async () => {
    setting = await makeSetting(3);
    [alice, bob, carol] = setting.members as [TestMember, TestMember, TestMember];
  });
  afterEach(() => setting.close());

  const ending = async (by: TestMember, remove: readonly TestMember[]) => {
    const { request } = await by.committing({ remove: remove.map(({ group }) => group.ownLeaf) });
    const { groupId, groupKey, leaf, commit, groupInfo } = request;
    return { groupId, groupKey, leaf, commit, groupInfo };
  };

  it("[8.14] tells every member, and leaves no record of the group that its keys open", async () => {
    const { services } = setting;
    await bob.commit({}); // a run, with the state before it
    await listen([alice, carol]);
    const keys = [await alice.group.groupKey()];
    const request = await ending(alice, [bob, carol]);
    await services.ask("ds.delete", request, alice.group);
    assert.equal(await recordOf(services, "group", alice.groupId), undefined);
    assert.equal(await recordOf(services, "groupRun", alice.groupId), undefined);
    assert.deepEqual(await alice.listen(), [itemKinds.commit]);
    await listen([bob, carol]);
    assert.deepEqual([bob.removed, carol.removed], [true, true]);
    for (const groupKey of keys) {
      await assert.rejects(alice.joinInfo(alice.groupId, groupKey), { code: "group/unavailable" });
    }
    await assert.rejects(services.ask("ds.delete", request, alice.group), { code: "group/unavailable" });
    const { groupId } = request;
    await assert.rejects(services.ask("ds.create", await bob.founding(groupId)), { code: "group/unavailable" });
  });

  it("[8.14] with a leave that is pending", async () => {
    const { services } = setting;
    await services.ask("ds.leave", await carol.leaving(), carol.group);
    await listen([alice, bob]);
    await services.ask("ds.delete", await ending(alice, [bob]), alice.group);
    assert.equal(await recordOf(services, "group", alice.groupId), undefined);
  });

  it("[8.14] takes a member's own commit that leaves nobody else, and no other", async () => {
    const { services } = setting;
    const ask = async (remove: readonly TestMember[]) =>
      services.ask("ds.delete", await ending(alice, remove), alice.group);
    await assert.rejects(ask([]), { code: "group/policy" });
    await assert.rejects(ask([bob]), { code: "group/invalid" }); // nor has it a key for those it leaves
    const request = await ending(alice, [bob, carol]);
    await assert.rejects(services.ask("ds.delete", request, bob.group), { code: "auth/signature" });
    const borrowed = { ...request, leaf: bob.group.ownLeaf };
    await assert.rejects(services.ask("ds.delete", borrowed, bob.group), { code: "group/invalid" });
    const wrong = { ...request, groupKey: randomBytes(32) };
    await assert.rejects(services.ask("ds.delete", wrong, alice.group), { code: "group/unavailable" });
    assert.equal((await groupNow(services, alice.groupId, request.groupKey))?.memberCount, 3);
    await services.ask("ds.delete", request, alice.group); // control
  });
});
