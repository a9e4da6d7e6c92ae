import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { PublicGroup } from "../../../src/mls/public-group.ts";
import { find } from "../../../src/services/delivery/kept.ts";
import { openState } from "../../../src/services/delivery/state-record.ts";
import { DAY, openArenas, keyPair, Services } from "../services.ts";
import { TestMember } from "./test-member.ts";

const changed = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  const place = at < 0 ? copy.length + at : at;
  copy[place] = copy[place]! ^ 1;
  return copy;
};

describe("services/delivery", () => {
  let services: Services;
  let alice: TestMember;
  let bob: TestMember;
  let carol: TestMember;
  beforeEach(async () => {
    services = await Services.open();
    services.now = Math.floor(Date.now() / 1000); // the clients' library looks at the system's clock
    alice = await TestMember.found(services);
    bob = await TestMember.create(services);
    carol = await TestMember.create(services);
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  /** The group's record as stored, under the store's own seal. */
  const record = (groupId: Uint8Array): Promise<Buffer | undefined> =>
    services.call(async (call) => {
      const kept = await find(call, "group", groupId);
      return kept && Buffer.from(kept.value);
    });
  const opens = async (groupId: Uint8Array, groupKey: Uint8Array): Promise<PublicGroup | undefined> => {
    const sealed = await record(groupId);
    assert.ok(sealed);
    return services.call(async (call) => {
      const opened = openState(call, { groupId, groupKey }, sealed);
      return opened && PublicGroup.decode(opened.state);
    });
  };
  /** `ask` is refused with `code`, and neither the group nor a queue has changed. */
  const refused = async (code: string, ask: Promise<unknown>): Promise<void> => {
    const groupId = alice.groupId;
    await assert.rejects(ask, { code });
    assert.equal((await opens(groupId, await alice.group.groupKey()))?.epoch, alice.group.epoch);
    for (const member of [alice, bob, carol]) {
      const { reply } = await member.queue.ask();
      assert.equal(member.queue.open(reply.items).length, 0);
    }
  };
  const pair = async (): Promise<void> => {
    await alice.add(bob);
    for (const member of [alice, bob]) await member.listen();
  };

  it("carries a conversation: add, talk, restart, add, remove, talk on", async () => {
    await alice.add(bob);
    await alice.listen();
    await bob.listen();
    assert.equal(alice.confirmed, 1);
    await alice.send("hello bob");
    await bob.send("hello alice");
    await services.reopen();
    await alice.listen();
    await bob.listen();
    await bob.add(carol);
    for (const member of [alice, bob, carol]) await member.listen();
    await carol.send("hello all");
    for (const member of [alice, bob, carol]) await member.listen();
    assert.deepEqual(
      [alice.heard, bob.heard, carol.heard],
      [["hello alice", "hello all"], ["hello bob", "hello all"], []],
    );

    const removed = carol.group;
    await alice.commit({ remove: [removed.ownLeaf] });
    for (const member of [alice, bob, carol]) await member.listen();
    assert.equal(carol.removed, true);
    await alice.send("without carol");
    for (const member of [alice, bob, carol]) await member.listen();
    assert.equal(bob.heard.at(-1), "without carol");
    assert.deepEqual(carol.heard, []);
    assert.deepEqual(alice.group.epochAuthenticator, bob.group.epochAuthenticator);
  });

  describe("create", () => {
    it("takes an id that was reserved, once, and no other", async () => {
      const unavailable = { code: "group/unavailable" };
      await refused("group/unavailable", services.ask("ds.create", await bob.founding(Buffer.from(alice.groupId))));
      await assert.rejects(services.ask("ds.create", await bob.founding(randomBytes(16))), unavailable);
      const { groupId } = await services.ask("ds.reserve", {});
      await services.ask("ds.create", await bob.founding(groupId));
      await assert.rejects(services.ask("ds.create", await carol.founding(groupId)), unavailable);
    });

    it("keeps a reservation for its day and the next, over a restart", async () => {
      const [early, late] = [await services.ask("ds.reserve", {}), await services.ask("ds.reserve", {})];
      const today = Math.floor(services.now / DAY) * DAY;
      await services.reopen();
      services.now = today + 2 * DAY - 1;
      await services.ask("ds.create", await bob.founding(early.groupId));
      services.now = today + 2 * DAY;
      await assert.rejects(services.ask("ds.create", await bob.founding(late.groupId)), { code: "group/unavailable" });
    });

    it("gives an id to one of two who ask at the same time", async () => {
      const { groupId } = await services.ask("ds.reserve", {});
      const requests = [await bob.founding(groupId), await carol.founding(groupId)];
      const results = await Promise.allSettled(requests.map((request) => services.ask("ds.create", request)));
      assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    });

    it("refuses a GroupInfo that does not hold, is of another group or of more than its founder", async () => {
      const request = await bob.founding();
      const { groupInfo } = request;
      const invalid = { code: "group/invalid" };
      for (const bad of [
        changed(groupInfo, -1),
        changed(groupInfo, 60),
        groupInfo.subarray(0, -1),
        Buffer.concat([groupInfo, Buffer.alloc(1)]),
        Buffer.alloc(0),
      ]) {
        await assert.rejects(services.ask("ds.create", { ...request, groupInfo: bad }), invalid);
      }
      const { groupId } = await services.ask("ds.reserve", {});
      await assert.rejects(services.ask("ds.create", { ...request, groupId }), invalid);
      await pair();
      const two = { ...request, groupId, groupInfo: await alice.group.groupInfo() };
      await assert.rejects(services.ask("ds.create", two), { code: "group/policy" });
      assert.equal(await record(request.groupId), undefined);
      await services.ask("ds.create", request); // control
    });
  });

  describe("commit", () => {
    it("needs the key of this very epoch; a wrong one and an unknown group are refused alike", async () => {
      const { request } = await alice.committing({ add: [await bob.keyPackage()] });
      const unavailable = "group/unavailable";
      for (const wrong of [{ groupKey: randomBytes(32) }, { groupId: randomBytes(16) }]) {
        await refused(unavailable, services.ask("ds.commit", { ...request, ...wrong }, alice.group));
      }
      await services.ask("ds.commit", request, alice.group); // control
      await assert.rejects(services.ask("ds.commit", request, alice.group), { code: unavailable }); // the old key
    });

    it("needs the signature of the leaf it names, which must be the commit's", async () => {
      await pair();
      const { request } = await alice.committing({ add: [await carol.keyPackage()] });
      await refused("auth/signature", services.ask("ds.commit", request, bob.group));
      await refused("auth/signature", services.ask("ds.commit", request, keyPair()));
      await refused("auth/signature", services.ask("ds.commit", { ...request, leaf: 7 }, alice.group));
      const borrowed = { ...request, leaf: bob.group.ownLeaf };
      await refused("group/invalid", services.ask("ds.commit", borrowed, bob.group));
      await services.ask("ds.commit", request, alice.group); // control
    });

    it("takes one commit an epoch: of two, one wins, and the other can go on", async () => {
      await pair();
      const mine = await alice.committing({ add: [await carol.keyPackage()] });
      const theirs = await bob.committing({});
      const results = await Promise.allSettled([
        services.ask("ds.commit", mine.request, alice.group),
        services.ask("ds.commit", theirs.request, bob.group),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["fulfilled", "rejected"],
      );
      alice.group = mine.pending.next;
      for (const member of [alice, bob, carol]) await member.listen();
      await bob.commit({});
      for (const member of [alice, bob, carol]) await member.listen();
      for (const member of [bob, carol]) {
        assert.deepEqual(member.group.epochAuthenticator, alice.group.epochAuthenticator);
      }
    });

    it("refuses a commit of another epoch with a code of its own", async () => {
      await pair();
      const early = await alice.committing({ add: [await carol.keyPackage()] });
      await bob.commit({});
      await alice.listen();
      for (const member of [alice, bob]) await member.listen();
      const request = { ...early.request, groupKey: await alice.group.groupKey() };
      await refused("group/epoch", services.ask("ds.commit", request, alice.group));
    });

    it("refuses a changed commit, GroupInfo or Welcome, one that is missing and one too many", async () => {
      await pair();
      const { request } = await alice.committing({ add: [await carol.keyPackage()] });
      const ask = (change: Partial<typeof request>) =>
        services.ask("ds.commit", { ...request, ...change }, alice.group);
      const empty = Buffer.alloc(0);
      for (const change of [
        { commit: changed(request.commit, 120) },
        { commit: empty },
        { commit: request.welcome },
        { groupInfo: changed(request.groupInfo, -1) },
        { groupInfo: changed(request.groupInfo, 60) },
        { groupInfo: empty },
        { groupInfo: await alice.group.groupInfo() },
        { welcome: empty },
        { welcome: request.welcome.subarray(0, -1) },
        { welcome: Buffer.concat([request.welcome, Buffer.alloc(1)]) },
        { welcome: changed(request.welcome, 8) },
        { nextGroupKey: request.groupKey },
      ]) {
        await refused("group/invalid", ask(change));
      }
      const alone = await alice.committing({});
      const surplus = { ...alone.request, welcome: request.welcome };
      await refused("group/invalid", services.ask("ds.commit", surplus, alice.group));
      await ask({}); // control
    });

    it("tells the removed, who can then neither read, write nor open what is stored", async () => {
      await pair();
      await alice.add(carol);
      for (const member of [alice, bob, carol]) await member.listen();
      const last = { key: await carol.group.groupKey(), group: carol.group };
      assert.ok(await opens(alice.groupId, last.key)); // control
      await alice.commit({ remove: [carol.group.ownLeaf] });
      assert.equal(await opens(alice.groupId, last.key), undefined);
      const message = await last.group.send(Buffer.from("still here"));
      const request = {
        groupId: alice.groupId,
        groupKey: last.key,
        leaf: last.group.ownLeaf,
        message: message.privateMessage,
      };
      await assert.rejects(services.ask("ds.send", request, last.group), { code: "group/unavailable" });
      const leaked = { ...request, groupKey: await alice.group.groupKey() };
      await assert.rejects(services.ask("ds.send", leaked, last.group), { code: "auth/signature" });
      for (const member of [alice, bob, carol]) await member.listen();
      await bob.send("not for carol");
      const { reply } = await carol.queue.ask();
      assert.equal(carol.queue.open(reply.items).length, 0);
    });

    it("passes over a member whose handle leads nowhere", async () => {
      await alice.commit({ add: [await bob.keyPackage(randomBytes(88))] });
      await alice.listen();
      assert.equal(alice.confirmed, 1);
      await alice.send("to nobody");
      assert.deepEqual((await bob.queue.read()).texts, []);
    });
  });

  describe("send", () => {
    it("writes to the others' queues only", async () => {
      await pair();
      const request = await alice.sending("hi");
      assert.equal((await services.asked("ds.send", request, alice.group)).writes, 3); // bob's queue, its item, and the count
      const { reply } = await alice.queue.ask();
      assert.equal(alice.queue.open(reply.items).length, 0);
    });

    it("is refused from a stranger, from a member in another's name, and for a leaf that is not there", async () => {
      await pair();
      const request = await alice.sending("hi");
      await refused("auth/signature", services.ask("ds.send", request, keyPair()));
      await refused("auth/signature", services.ask("ds.send", request, bob.group));
      await refused("auth/signature", services.ask("ds.send", { ...request, leaf: 5 }, alice.group));
      for (const wrong of [{ groupKey: randomBytes(32) }, { groupId: randomBytes(16) }]) {
        await refused("group/unavailable", services.ask("ds.send", { ...request, ...wrong }, alice.group));
      }
      await services.ask("ds.send", request, alice.group); // control
    });

    it("is refused for another epoch, another group, a handshake, and what is no message", async () => {
      await pair();
      const early = await alice.sending("early");
      await bob.commit({});
      for (const member of [alice, bob]) await member.listen();
      const ask = (message: Uint8Array) =>
        alice.group
          .groupKey()
          .then((groupKey) => services.ask("ds.send", { ...early, groupKey, message }, alice.group));
      await refused("group/epoch", ask(early.message));
      const elsewhere = await TestMember.found(services);
      const { message } = await elsewhere.sending("elsewhere");
      await refused("group/invalid", ask(message));
      await refused("group/invalid", ask((await alice.committing({})).request.commit));
      await refused("group/invalid", ask(Buffer.alloc(0)));
      const good = await alice.sending("good");
      await refused("group/invalid", ask(Buffer.concat([good.message, Buffer.alloc(1)])));
      // RFC 9420 section 6.3: version 2, wire format 2, group id 1 + 16, epoch 8, content type 1, authenticated data.
      const [contentType, data] = [29, 30];
      assert.deepEqual([...good.message.subarray(contentType, data + 1)], [1, 0]);
      const handshake = Buffer.from(good.message);
      handshake[contentType] = 3;
      await refused("group/invalid", ask(handshake));
      const [head, tail] = [good.message.subarray(0, data), good.message.subarray(data + 1)];
      await refused("group/invalid", ask(Buffer.concat([head, Buffer.from([1, 7]), tail])));
      await ask(good.message); // control
      await bob.listen();
      assert.deepEqual(bob.heard, ["good"]);
    });

    it("[8.7] to one member reaches its queue alone, and the others can still read what comes after", async () => {
      await pair();
      await bob.add(carol);
      for (const member of [alice, bob, carol]) await member.listen();
      const before = await alice.queue.ask();
      const request = { ...(await carol.sending("for alice only")), recipient: alice.group.ownLeaf };
      const unavailable = { code: "group/unavailable" };
      await assert.rejects(services.ask("ds.sendTo", request, bob.group), { code: "auth/signature" });
      await assert.rejects(
        services.ask("ds.sendTo", { ...request, groupKey: randomBytes(32) }, carol.group),
        unavailable,
      );
      for (const recipient of [carol.group.ownLeaf, 9, 0xffffffff])
        await assert.rejects(services.ask("ds.sendTo", { ...request, recipient }, carol.group), {
          code: "group/invalid",
        });
      assert.equal((await alice.queue.ask()).reply.items.length, before.reply.items.length);
      assert.equal((await services.asked("ds.sendTo", request, carol.group)).writes, 3);
      await carol.send("for both");
      await bob.listen();
      await alice.listen();
      assert.deepEqual(bob.heard, ["for both"]);
      assert.deepEqual(alice.heard, ["for alice only", "for both"]);
    });

    it("of 16 at once arrives 16 times", async () => {
      await pair();
      const requests = [];
      for (let i = 0; i < 16; i++) requests.push(await alice.sending(`message ${i}`));
      await Promise.all(requests.map((request) => services.ask("ds.send", request, alice.group)));
      await bob.listen();
      assert.equal(new Set(bob.heard).size, 16);
    });
  });

  describe("its record", () => {
    it("opens with the members' key only, under the group's id only, and shows nothing else", async () => {
      await pair();
      const groupKey = await alice.group.groupKey();
      assert.equal((await opens(alice.groupId, groupKey))?.epoch, 1);
      assert.equal(await opens(alice.groupId, randomBytes(32)), undefined);
      const sealed = await record(alice.groupId);
      const state = await opens(alice.groupId, groupKey);
      assert.ok(sealed && state);
      const shown = [...state.handles()].map(([, handle]) => Buffer.from(handle));
      shown.push(Buffer.from(state.leaf(0)!.pseudonym), Buffer.from(state.leaf(1)!.signaturePublicKey));
      const encoded = Buffer.alloc(state.encodedLength);
      state.encodeInto(encoded);
      for (const needle of [...shown, Buffer.from(alice.groupId)]) {
        assert.equal(sealed.includes(needle), false);
        assert.equal(encoded.includes(needle), true); // control: the state does hold it
      }
      await services.reopen();
      for (const needle of shown) assert.equal(services.onDisk(needle), false);
      services.plant(shown);
      for (const needle of shown) assert.equal(services.onDisk(needle), true); // control of the search
    });
  });
});
