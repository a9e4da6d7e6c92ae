import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fits } from "../../src/client/group-request.ts";
import { emptyGroup, groupEntries, loadGroup } from "../../src/client/group-record.ts";
import { TIERS } from "../../src/client/open.ts";
import { Sections } from "../../src/client/sections.ts";
import { openState } from "../../src/client/state.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { createGroup } from "../../src/mls/client.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { encode } from "../../src/wire/codec.ts";
import { operations } from "../../src/wire/operations.ts";

describe("client/group-record", function () {
  this.timeout(60_000);

  it("keeps a group of 1,000 members with a commit under way in the memory that a client has", async () => {
    const now = Math.floor(Date.now() / 1000);
    const groupId = randomBytes(16);
    const own = { pseudonym: randomBytes(16), handle: randomBytes(88) };
    let mls = await createGroup({ groupId, ...own, senderKey: randomBytes(32), now });
    for (const count of [...Array.from({ length: 9 }, () => 100), 99]) {
      const add: Uint8Array[] = [];
      for (let i = 0; i < count; i++) {
        const lifetime = { notBefore: now - 3600, notAfter: now + 86_400 };
        const ids = { pseudonym: randomBytes(16), handle: randomBytes(88) };
        add.push((await makeKeyPackage({ ...ids, ...lifetime })).keyPackage);
      }
      mls = (await mls.commit({ add, now })).next;
    }
    assert.equal(mls.members().length, 1000);
    const made = await mls.commit({ remove: [5], now });
    const { commit, groupInfo, nextGroupKey, recovery } = made;
    const member = { groupId, groupKey: await mls.groupKey(), leaf: mls.ownLeaf };
    const request = { ...member, nextGroupKey, commit, groupInfo, welcome: Buffer.alloc(0), recovery };
    assert.equal(fits("ds.commit", request), false);
    assert.equal(fits("ds.commitLarge", request), true);
    const { number, request: codec } = operations["ds.commitLarge"];
    const pending = {
      operation: number,
      requestId: randomBytes(16),
      token: Buffer.alloc(0),
      request: encode(codec, request, Buffer.alloc),
      next: made.next.serialize(),
      introductions: [],
      befriends: 0,
    };
    const directory = await mkdtemp(join(tmpdir(), "tacet-client-"));
    const state = await openState(directory, randomBytes(32));
    try {
      const sections = new Sections(state, new ArenaPool(TIERS));
      const group = { ...emptyGroup(groupId), mls, pending };
      await sections.save(...groupEntries(group));
      const loaded = await loadGroup(sections, groupId);
      assert.equal(loaded?.mls?.epoch, mls.epoch);
      assert.equal(loaded?.pending?.next.length, pending.next.length);
      // What a request has brought to an end is gone from the disk, too.
      await sections.save(...groupEntries({ ...group, pending: undefined }, group));
      const after = await loadGroup(sections, groupId);
      assert.equal(after?.pending, undefined);
      assert.ok(after?.mls !== undefined);
    } finally {
      await state.close();
      await rm(directory, { recursive: true });
    }
  });
});
