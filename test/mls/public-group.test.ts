// The server's public group follows real clients and refuses everything else.
import assert from "node:assert/strict";
import type { Node } from "ts-mls";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { readGroupInfo, readRatchetTree, writeMessage } from "../../src/mls/messages.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { now, World } from "./world.ts";

describe("public group", () => {
  it("agrees with every client through create, add, update, remove and add again", async () => {
    const world = await World.create();
    await world.check();
    await world.commit(world.clients[0]!, 1);
    await world.commit(world.clients[1]!, 3);
    for (let i = 0; i < world.clients.length; i++) await world.commit(world.clients[i]!);
    for (let i = 0; i < world.clients.length; i++) await world.say(world.clients[i]!, Buffer.from("hello"));
    await world.commit(world.clients[2]!, 0, [world.clients[1]!]);
    await world.commit(world.clients[0]!, 2, [world.clients[3]!]);
    await world.commit(world.clients[1]!);
  });

  it("hashes no tree of a new group that is not its founder's leaf alone", async () => {
    const info = readGroupInfo(await (await World.create()).clients[0]!.groupInfo());
    const own = info.extensions.find((e) => e.extensionType === "ratchet_tree")!;
    const leaf: Node = readRatchetTree(own.extensionData)[0]!;
    assert.ok(leaf.nodeType === "leaf");
    const withLeaves = (count: number, between = 1): Uint8Array => {
      const nodes = Array.from({ length: (count - 1) * (between + 1) + 1 }, (_, i) =>
        i % (between + 1) === 0 ? leaf : undefined,
      );
      const changed = { ...own, extensionData: encode(ratchetTreeEncoder)(nodes) };
      const extensions = info.extensions.map((extension) => (extension === own ? changed : extension));
      return writeMessage({ wireformat: "mls_group_info", groupInfo: { ...info, extensions } });
    };
    const original = PublicTree.prototype.hash;
    let hashed = 0;
    PublicTree.prototype.hash = function (this: PublicTree, x: number) {
      hashed++;
      return original.call(this, x);
    };
    try {
      // two leaves, 32 leaves, and two leaves as far apart as a tree allows
      for (const bytes of [withLeaves(2), withLeaves(32), withLeaves(2, 511), withLeaves(2, 2045)])
        assert.throws(() => PublicGroup.create(bytes, now), { code: "group/policy" });
      assert.equal(hashed, 0);
      PublicGroup.create(withLeaves(1), now); // control
      assert.ok(hashed > 0);
    } finally {
      PublicTree.prototype.hash = original;
    }
  });
});
