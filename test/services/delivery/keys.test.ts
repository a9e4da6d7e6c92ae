import assert from "node:assert/strict";
import { openInto, SEAL_OVERHEAD } from "../../../src/crypto/aead.ts";
import { derive } from "../../../src/crypto/derive.ts";
import { randomBytes } from "../../../src/crypto/random.ts";
import type { Call } from "../../../src/services/ports.ts";
import { MONTH_SECONDS } from "../../../src/services/delivery/kept.ts";
import { CHUNK_MAX } from "../../../src/wire/operations-delivery.ts";
import { keyPair, type KeyPair } from "../services.ts";
import { agree, epochRecordOf, listen, makeSetting, opened, type Setting } from "./setting.ts";
import { type TestMember, wholeOf } from "./test-member.ts";

describe("services/delivery: keys from epoch to epoch", () => {
  let setting: Setting;
  let alice: TestMember;
  let bob: TestMember;
  let carol: TestMember;
  beforeEach(async () => {
    setting = await makeSetting(3, 1);
    [alice, bob, carol] = setting.members as [TestMember, TestMember, TestMember];
  });
  afterEach(() => setting.close());

  const step = async (groupKey: Uint8Array, leaf: number) =>
    setting.services.ask("ds.recover", { groupId: alice.groupId, groupKey, leaf });

  it("[8.16] a member goes from key to key over commits with and without removals, added members apart", async () => {
    const { services, others } = setting;
    const [dave] = others as [TestMember];
    const start = { key: await carol.group.groupKey(), epoch: carol.group.epoch };
    const keys = [start.key];
    const after = async (work: Promise<unknown>): Promise<void> => {
      await work;
      await listen([alice, bob]);
      keys.push(await alice.group.groupKey());
    };
    await after(alice.add(dave));
    await dave.listen();
    await after(bob.commit({}));
    await dave.listen();
    await after(alice.commit({ remove: [dave.group.ownLeaf] }));
    await services.reopen();
    await after(bob.commit({}));
    await after(alice.commit({}));
    let { key } = start;
    for (let i = 0; i + 1 < keys.length; i++) {
      assert.deepEqual(Buffer.from(key), Buffer.from(keys[i]!));
      key = await carol.step(key, start.epoch + i);
    }
    await carol.resync(key);
    await listen([alice, bob]);
    agree([alice, bob, carol]);
  });

  it("[8.16] gives a member its own sealed key where another was removed, and the removed nothing", async () => {
    const key = await alice.group.groupKey();
    await alice.commit({ remove: [carol.group.ownLeaf] });
    const next = Buffer.from(await alice.group.groupKey());
    const { kind, value } = await step(key, bob.group.ownLeaf);
    assert.deepEqual([kind, value.length], [2, 80]);
    assert.deepEqual(Buffer.from(await bob.group.openRecovery(bob.group.epoch, value)), next);
    await assert.rejects(carol.group.openRecovery(carol.group.epoch, value), { code: "group/invalid" });
    for (const leaf of [carol.group.ownLeaf, alice.group.ownLeaf, 77]) {
      await assert.rejects(step(key, leaf), { code: "group/unavailable" });
    }
    await assert.rejects(step(randomBytes(32), bob.group.ownLeaf), { code: "group/unavailable" });
    await assert.rejects(step(next, bob.group.ownLeaf), { code: "group/unavailable" });
  });

  it("[8.16] gives the removed nothing also where only the committer stays", async () => {
    const key = await alice.group.groupKey();
    await alice.commit({ remove: [bob.group.ownLeaf, carol.group.ownLeaf] });
    for (const leaf of [alice, bob, carol].map(({ group }) => group.ownLeaf)) {
      await assert.rejects(step(key, leaf), { code: "group/unavailable" });
    }
  });

  it("[8.16] a leave changes the key for those who stay alone", async () => {
    const key = await alice.group.groupKey();
    await setting.services.ask("ds.leave", await carol.leaving(), carol.group);
    await bob.catchUp();
    await bob.commit({});
    assert.equal((await step(key, alice.group.ownLeaf)).kind, 2);
    await assert.rejects(step(key, carol.group.ownLeaf), { code: "group/unavailable" });
  });

  it("[8.1] a key that does not open a group costs as many looks as a group that does not exist", async () => {
    const { services } = setting;
    await alice.commit({}); // nobody has confirmed it
    const { groupId, ownLeaf: leaf } = alice.group;
    const [leafKey, groupKey, message] = [randomBytes(32), randomBytes(32), randomBytes(10)];
    const looks = async (id: Uint8Array, key: Uint8Array): Promise<number[]> => {
      const keys = { groupId: id, groupKey: key };
      const counts: number[] = [];
      for (const ask of [
        (call: Call) => services.handlers["ds.send"]({ ...keys, leaf, message }, call),
        (call: Call) => services.handlers["ds.joinInfo"]({ ...keys, offset: 0 }, call),
        (call: Call) => services.handlers["ds.welcomeInfo"]({ ...keys, leafKey, offset: 0 }, call),
        (call: Call) => services.handlers["ds.recover"]({ ...keys, leaf }, call),
        (call: Call) => services.handlers["ds.reset"]({ ...keys, leaf }, call),
      ]) {
        let count = 0;
        const work = (call: Call) => {
          const get: Call["tx"]["get"] = (...of) => (count++, call.tx.get(...of));
          return ask({ ...call, tx: { ...call.tx, get } });
        };
        await services.call<unknown>(work, alice.group).catch(() => undefined);
        counts.push(count);
      }
      return counts;
    };
    const known = await looks(groupId, groupKey);
    assert.deepEqual(await looks(randomBytes(16), groupKey), known);
    // Control: a count that tells something apart.
    assert.notDeepEqual(await looks(groupId, await alice.group.groupKey()), known);
  });

  it("[8.16] keeps the way for its month and three more", async () => {
    const { services } = setting;
    const key = await alice.group.groupKey();
    await alice.commit({});
    const month = Math.floor(services.now / MONTH_SECONDS) * MONTH_SECONDS;
    services.now = month + 4 * MONTH_SECONDS - 1;
    assert.equal((await step(key, 1)).kind, 1);
    services.now = month + 4 * MONTH_SECONDS;
    await assert.rejects(step(key, 1), { code: "group/unavailable" });
  });

  it("[8.1] what a removed member knows opens no record of a later epoch, though all of the disk be searched", async () => {
    const { services } = setting;
    const { groupId } = alice;
    const key = Buffer.from(await carol.group.groupKey());
    const { ownLeaf } = carol.group;
    const found = async (known: Buffer) => {
      const { opened: records } = await services.dump();
      return records.flatMap(({ value }) =>
        (["groupState", "groupNext", "groupVotes"] as const).flatMap((purpose) => {
          if (value.length < SEAL_OVERHEAD) return [];
          const out = Buffer.alloc(value.length - SEAL_OVERHEAD);
          try {
            return [
              { purpose, plain: openInto(out, value, groupId, derive(Buffer.alloc(32), purpose, known, groupId)) },
            ];
          } catch {
            return [];
          }
        }),
      );
    };
    assert.deepEqual(
      (await found(key)).map(({ purpose }) => purpose),
      ["groupState"],
    ); // control: while it is a member
    const later: Buffer[] = [];
    await alice.commit({ remove: [ownLeaf] });
    later.push(Buffer.from(await alice.group.groupKey()));
    await bob.listen();
    for (const by of [bob, alice]) {
      await by.commit({});
      await listen([alice, bob]);
      later.push(Buffer.from(await by.group.groupKey()));
    }
    const still = await found(key);
    // The state of its own last epoch, which late joiners may ask for, and the keys that were sealed for the others.
    assert.deepEqual(still.map(({ purpose }) => purpose).toSorted(), ["groupNext", "groupState"]);
    for (const { plain } of still) for (const one of later) assert.equal(plain.includes(one), false);
    const [next] = still.filter(({ purpose }) => purpose === "groupNext");
    assert.equal(next?.plain[0], 2);
    assert.equal(next?.plain.length, 1 + 82);
    assert.equal(next?.plain.readUInt16BE(1), bob.group.ownLeaf);
    assert.ok((await found(later.at(-1)!)).length > 0);
    await assert.rejects(carol.joinInfo(groupId, key), { code: "group/unavailable" });
  });

  it("[8.9] who opens its Welcome late finds the tree of that epoch, in pieces, over a restart", async () => {
    const { services, others } = setting;
    const [dave] = others as [TestMember];
    dave.late = true;
    await alice.add(dave);
    for (const by of [bob, alice, bob]) {
      await listen([alice, bob, carol]);
      await by.commit({});
    }
    await listen([alice, bob, carol]);
    await services.reopen();
    await dave.listen();
    const welcome = dave.missedWelcome!;
    const { request, signer } = await dave.welcomed(welcome);
    const pieces: number[] = [];
    const tree = await wholeOf(async (offset) => {
      const reply = await services.ask("ds.welcomeInfo", { ...request, offset }, signer);
      pieces.push(reply.chunk.length);
      return reply;
    });
    assert.ok(pieces.every((length) => length <= CHUNK_MAX));
    await dave.joinBy(welcome, tree);
    agree([alice, bob, carol, dave]);
  });

  it("[8.9] gives the tree to a member of that epoch alone, as long as it is kept", async () => {
    const { services, others } = setting;
    const [dave] = others as [TestMember];
    dave.late = true;
    await alice.add(dave);
    await dave.listen();
    const { request, signer } = await dave.welcomed(dave.missedWelcome!);
    const ask = (change: Partial<typeof request> & { offset?: number } = {}, as: KeyPair = signer) =>
      services.ask("ds.welcomeInfo", { ...request, offset: 0, ...change }, as);
    const { total } = await ask();
    assert.equal((await ask({ offset: total })).chunk.length, 0);
    await assert.rejects(ask({ offset: total + 1 }), { code: "group/invalid" });
    const stranger = keyPair();
    await assert.rejects(ask({ leafKey: stranger.publicKey }, stranger), { code: "auth/signature" });
    await assert.rejects(ask({}, stranger), { code: "auth/signature" });
    await assert.rejects(ask({ groupKey: randomBytes(32) }), { code: "group/unavailable" });
    await listen([alice, bob, carol]);
    await bob.commit({});
    const month = Math.floor(services.now / MONTH_SECONDS) * MONTH_SECONDS;
    services.now = month + 2 * MONTH_SECONDS - 1;
    await ask();
    services.now = month + 2 * MONTH_SECONDS;
    await assert.rejects(ask(), { code: "group/unavailable" });
  });

  it("[8.10] shows GroupInfo, tree and what is pending to whoever has the key of this epoch, and no other", async () => {
    const { services } = setting;
    const key = await alice.group.groupKey();
    await services.ask("ds.leave", await carol.leaving(), carol.group);
    const { groupInfo, tree, proposals } = await bob.joinInfo(alice.groupId, key);
    assert.ok(groupInfo.length > 200 && tree.length > 600);
    assert.equal(proposals.length, 1);
    const first = await services.ask("ds.joinInfo", { groupId: alice.groupId, groupKey: key, offset: 0 });
    assert.equal(first.epoch, alice.group.epoch);
    const beyond = { groupId: alice.groupId, groupKey: key, offset: first.total + 1 };
    await assert.rejects(services.ask("ds.joinInfo", beyond), { code: "group/invalid" });
    await bob.catchUp();
    await bob.commit({});
    await assert.rejects(bob.joinInfo(alice.groupId, key), { code: "group/unavailable" });
    assert.deepEqual((await bob.joinInfo(alice.groupId, await bob.group.groupKey())).proposals, []);
  });

  it("keeps the state of an epoch only where somebody may need it", async () => {
    const { services } = setting;
    const { groupId } = alice;
    const at = async () => {
      const key = await alice.group.groupKey();
      return async () => {
        const sealed = await epochRecordOf(services, "groupEpoch", groupId, key);
        return sealed && (await opened(services, sealed, groupId, key))?.epoch;
      };
    };
    const joined = await at(); // reached by Adds: for those who come late
    const epoch = alice.group.epoch;
    await alice.commit({ remove: [carol.group.ownLeaf] });
    const removal = await at(); // reached by a removal, confirmed below
    await bob.listen();
    await bob.send("seen");
    await bob.commit({});
    await alice.listen();
    const run = await at();
    assert.deepEqual([await joined(), await removal()], [epoch, epoch + 1]); // bob's run can be undone by alice
    await alice.send("seen too");
    assert.deepEqual([await joined(), await removal(), await run()], [epoch, undefined, undefined]);
  });
});
