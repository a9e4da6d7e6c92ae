import assert from "node:assert/strict";
import { ITEM_MAX, queueItem } from "../../../src/wire/documents.ts";
import { decode } from "../../../src/wire/codec.ts";
import { ArenaPool, type Arena } from "../../../src/memory/arena.ts";
import { PREAMBLE_LENGTH, sizes } from "../../../src/wire/frame.ts";
import type { PublicGroup } from "../../../src/mls/public-group.ts";
import { LEAF_SET_LENGTH } from "../../../src/services/delivery/leaf-set.ts";
import { sealState } from "../../../src/services/delivery/state-record.ts";
import { agree, listen, makeSetting, recordOf, type Setting } from "./setting.ts";
import { TestMember } from "./test-member.ts";

/** What a stored record can be long: a power of four times two kibibytes, but for the longest; four bytes are the store's. */
const LENGTHS = [8, 32, 128, 512, 1024].map((kib) => kib * 1024 - 4);

describe("services/delivery: sizes", function () {
  this.timeout(60_000);
  let setting: Setting;
  afterEach(() => setting.close());

  it("[8.5] carries a commit that fills a large request, in parts, and the group goes on", async () => {
    setting = await makeSetting(2, 1);
    const { services } = setting;
    const [alice, bob] = setting.members as [TestMember, TestMember];
    const [carol] = setting.others as [TestMember];
    const add: Uint8Array[] = [await carol.keyPackage()];
    const spare = await TestMember.create(services);
    while (add.length < 100) add.push(await spare.keyPackage());
    const { request, pending } = await alice.committing({ add });
    assert.ok(request.commit.length > ITEM_MAX);
    await assert.rejects(services.ask("ds.commit", request, alice.group), { code: "wire/malformed" });
    await services.ask("ds.commitLarge", request, alice.group);
    alice.group = pending.next;
    const [part] = bob.queue.open((await bob.queue.ask()).reply.items);
    assert.equal(decode(queueItem, part!).kind, 6);
    await alice.listen();
    assert.equal(alice.confirmed, 2);
    await carol.listen();
    assert.equal(carol.group.members().length, 102);
    agree([alice, carol]);
    await carol.send("one of many");
    await alice.listen();
    assert.deepEqual(alice.heard, ["one of many"]);
  });

  it("two large requests with the longest states run at once, and a third is refused as busy", () => {
    const pool = new ArenaPool();
    const request = (): Arena => {
      const arena = pool.arena();
      arena.take(PREAMBLE_LENGTH);
      arena.take(sizes.large + 16);
      arena.take(1 << 20); // the state, as it is stored and opened in its place
      arena.take(1 << 20); // the next one
      arena.take(500_000); // what goes to the queues
      return arena;
    };
    const running = [request(), request()];
    assert.throws(request, { code: "server/busy" });
    running[0]!.close();
    running.push(request());
    for (const arena of running) arena.close();
  });

  it("a state's record has one of five lengths, whatever the group is", async () => {
    setting = await makeSetting(1);
    const { services } = setting;
    const [alice] = setting.members as [TestMember];
    const spare = await TestMember.create(services);
    const seen: number[] = [];
    const look = async () => seen.push((await recordOf(services, "group", alice.groupId))!.length);
    await look();
    for (const size of [2, 9, 30, 60]) {
      const add: Uint8Array[] = [];
      while (alice.group.members().length + add.length < size) add.push(await spare.keyPackage());
      const { request, pending } = await alice.committing({ add });
      await services.ask("ds.commitLarge", request, alice.group);
      alice.group = pending.next;
      await look();
    }
    await listen([alice]);
    assert.ok(
      seen.every((length) => LENGTHS.includes(length)),
      String(seen),
    );
    assert.ok(new Set(seen).size > 1);
    assert.equal(seen[0], seen[1]);
  });

  it("a state that just fits the longest record is taken, one byte more is refused", async () => {
    setting = await makeSetting(1);
    const seal = (encodedLength: number) =>
      setting.services.call(async (call) => {
        const group = { encodedLength, encodeInto: () => encodedLength } as unknown as PublicGroup;
        const keys = { groupId: Buffer.alloc(16), groupKey: Buffer.alloc(32) };
        return sealState(call, keys, group, { joined: false, voters: Buffer.alloc(LEAF_SET_LENGTH) }).length;
      });
    // nonce and tag, length, mark, voters
    const longest = LENGTHS.at(-1)! - 40 - 5 - LEAF_SET_LENGTH;
    assert.equal(await seal(longest), LENGTHS.at(-1));
    await assert.rejects(seal(longest + 1), { code: "group/limit" });
    const shortest = LENGTHS[0]! - 40 - 5 - LEAF_SET_LENGTH;
    assert.deepEqual([await seal(shortest), await seal(shortest + 1)], LENGTHS.slice(0, 2));
  });
});
