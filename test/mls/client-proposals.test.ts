// Leaving and being proposed for removal, as the other members see it.
import assert from "node:assert/strict";
import { createProposal, proposeAddExternal } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import { ClientGroup } from "../../src/mls/client.ts";
import { readGroupInfo, readKeyPackage, readPublicMessage, writeMessage } from "../../src/mls/messages.ts";
import { readPrivateKeys } from "../../src/mls/key-package.ts";
import { cipherSuite } from "../../src/mls/suite.ts";
import { makeRemoval } from "../../src/mls/validation-proposal.ts";
import { rawState } from "./raw.ts";
import { isGroupFault, newKeyPackage, now, signAsHouse, World } from "./world.ts";

describe("proposals as a client takes them", function () {
  this.timeout(20_000);
  let world: World;
  let leave: Uint8Array;
  let removal: Uint8Array;
  before(async () => {
    world = await World.create();
    await world.step(world.clients[0]!, { joiners: 3 });
    ({ proposal: leave } = await world.clients[2]!.leave());
    removal = makeRemoval(rawState(world.clients[0]!).groupContext, 3, signAsHouse);
  });
  const bob = (): ClientGroup => world.clients[1]!;

  it("stay until the next commit, and do not keep it from sending", async () => {
    let client = await bob().takeProposal(leave);
    client = await client.takeProposal(removal);
    assert.deepEqual(
      client.pending.map(({ leaf }) => leaf),
      [2, 3],
    );
    assert.equal(bob().pending.length, 0);
    const sent = await client.send(Buffer.from("words"));
    const got = await world.clients[0]!.receive(sent.privateMessage);
    assert.ok(got.kind === "application");
    assert.equal(sent.next.pending.length, 2);
    assert.equal(ClientGroup.deserialize(client.serialize()).pending.length, 2);
    // the leaver knows its own, and does not read what comes after the commit
    const leaver = await world.clients[2]!.takeProposal(leave);
    const { commit } = await (await world.clients[0]!.takeProposal(leave)).commit({ now });
    const left = await leaver.receive(commit);
    assert.ok(left.kind === "commit" && left.removedSelf);
    assert.deepEqual(left.removed, [2]);
  });

  it("are taken once; another one for the same leaf is refused", async () => {
    const once = await bob().takeProposal(leave);
    assert.equal((await once.takeProposal(leave)).pending.length, 1);
    const second = makeRemoval(rawState(world.clients[0]!).groupContext, 2, signAsHouse);
    await bob().takeProposal(second); // control
    await assert.rejects(once.takeProposal(second), { code: "group/policy" });
  });

  it("say who proposed", async () => {
    const got = [await bob().receive(leave), await bob().receive(removal)];
    assert.deepEqual(
      got.map((one) => (one.kind === "proposal" ? [one.leaf, one.byServer] : [])),
      [
        [2, false],
        [3, true],
      ],
    );
  });

  it("every byte of them counts", async () => {
    for (const good of [leave, removal]) {
      for (let i = 0; i < good.length; i++) {
        const flipped = good.slice();
        flipped[i]! ^= 1 << (i % 8);
        await assert.rejects(bob().takeProposal(flipped), isGroupFault);
      }
      await assert.rejects(bob().takeProposal(Buffer.concat([good, Buffer.alloc(1)])), { code: "group/invalid" });
      await assert.rejects(bob().takeProposal(good.subarray(0, -1)), { code: "group/invalid" });
    }
  });

  it("are refused from another key, for another leaf, of another kind, and from outside", async () => {
    const state = rawState(world.clients[0]!);
    const forged = makeRemoval(state.groupContext, 3, (signature) => signature.set(randomBytes(64)));
    await assert.rejects(bob().takeProposal(forged), { code: "group/invalid" });
    await assert.rejects(bob().takeProposal(makeRemoval(state.groupContext, 9, signAsHouse)), {
      code: "group/invalid",
    });
    // a member, admin or not, proposes to remove only itself
    const other = { proposalType: "remove" as const, remove: { removed: 2 } };
    const { message } = await createProposal(state, true, other, cipherSuite);
    await assert.rejects(bob().takeProposal(writeMessage(message)), { code: "group/policy" });
    const keys = await newKeyPackage();
    const add = { proposalType: "add" as const, add: { keyPackage: readKeyPackage(keys.keyPackage) } };
    const adding = await createProposal(state, true, add, cipherSuite);
    await assert.rejects(bob().takeProposal(writeMessage(adding.message)), { code: "group/policy" });
    const stranger = await proposeAddExternal(
      readGroupInfo(await world.clients[0]!.groupInfo()),
      add.add.keyPackage,
      readPrivateKeys(keys.privateKeys),
      cipherSuite,
    );
    await assert.rejects(bob().takeProposal(writeMessage(stranger)), { code: "group/policy" });
    const { commit } = await world.clients[0]!.commit({ now });
    await assert.rejects(bob().takeProposal(commit), { code: "group/policy" });
    // signed by the leaver, but without the tag that only members can make
    const untagged = readPublicMessage(leave);
    const publicMessage = { ...untagged, membershipTag: randomBytes(32) } as typeof untagged;
    const bare = writeMessage({ wireformat: "mls_public_message", publicMessage });
    await assert.rejects(bob().takeProposal(bare), { code: "group/invalid" });
  });

  it("end with their epoch", async () => {
    const { commit } = await world.clients[0]!.commit({ now });
    const after = await bob().receive(commit);
    await assert.rejects(after.next.takeProposal(leave), { code: "group/epoch" });
    await assert.rejects(after.next.takeProposal(removal), { code: "group/epoch" });
  });
});
