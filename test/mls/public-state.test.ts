// A stored state: what was written is read, and whatever else it may be is refused with a fault or read as something else.
import assert from "node:assert/strict";
import { Fault } from "../../src/fault.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { now, World } from "./world.ts";

const encoded = (group: PublicGroup): Buffer => {
  const bytes = Buffer.alloc(group.encodedLength);
  assert.equal(group.encodeInto(bytes), bytes.length);
  return bytes;
};

describe("group state", function () {
  this.timeout(60_000);
  let state: Buffer;
  let commit: Uint8Array;
  let groupInfo: Uint8Array;

  before(async () => {
    const world = await World.create();
    await world.step(world.clients[0]!, { joiners: 4 });
    await world.step(world.clients[2]!);
    ({ commit, groupInfo } = await world.clients[1]!.commit({ now }));
    state = encoded(world.server);
  });

  it("is read as it was written, and written again the same", () => {
    assert.deepEqual(encoded(PublicGroup.decode(state)), state);
    const { next } = PublicGroup.decode(state).validateCommit({ commit, groupInfo, now });
    const bytes = encoded(next);
    assert.deepEqual(encoded(PublicGroup.decode(bytes)), bytes);
    // whoever takes up the group from outside, tree and all, gets the same tree
    assert.deepEqual(Buffer.from(PublicGroup.decode(bytes).treeBytes), Buffer.from(next.treeBytes));
  });

  it("with any byte changed or cut off is refused with a fault, or is another state", () => {
    let read = 0;
    let followed = 0;
    const use = (bytes: Buffer): void => {
      try {
        const group = PublicGroup.decode(bytes);
        const entries = [...group.entries()];
        group.leaf(1);
        encoded(group.withMonth(entries[0]?.[0] ?? 0, 1));
        read++;
        encoded(group.validateCommit({ commit, groupInfo, now }).next);
        followed++;
      } catch (error) {
        assert.ok(error instanceof Fault && error.code.startsWith("group/"), String(error));
      }
    };
    for (let at = 0; at < state.length; at++) {
      const bytes = Buffer.from(state);
      bytes[at]! ^= at % 3 === 0 ? 0xff : 0x80;
      use(bytes);
      if (at % 7 === 0) use(state.subarray(0, at));
    }
    assert.ok(read > 0 && followed > 0 && followed < read);
  });

  it("takes the memory of what a commit computes from whoever opens it", () => {
    let taken = 0;
    const group = PublicGroup.decode(state, (size) => {
      taken += size;
      return Buffer.alloc(size);
    });
    assert.equal(taken, 0); // opening copies nothing
    encoded(group.validateCommit({ commit, groupInfo, now }).next);
    assert.ok(taken > 0 && taken < state.length);
  });
});
