// Roles, the context and the founding of groups: what the server refuses, each beside what it takes.
import assert from "node:assert/strict";
import { createGroup, type Extension, type Proposal } from "ts-mls";
import { createGroupInfoWithExternalPubAndRatchetTree } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import { type FaultCode } from "../../src/fault.ts";
import { type ClientGroup } from "../../src/mls/client.ts";
import { clientConfig } from "../../src/mls/config.ts";
import { makeKeyPackage, readPrivateKeys } from "../../src/mls/key-package.ts";
import { readKeyPackage, writeMessage } from "../../src/mls/messages.ts";
import { contextExtensions, encodePolicy, type GroupPolicy } from "../../src/mls/policy.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { cipherSuite, GROUP_POLICY } from "../../src/mls/suite.ts";
import { emptyRecovery, rawCommit, type RawCommit, rawState, resigned } from "./raw.ts";
import { identity, lifetime, newKeyPackage, now, senderKey, World } from "./world.ts";

import { byValue, context, proposing, refused, removal } from "./refused.ts";

describe("what members may not commit", () => {
  let world: World;
  let admin: ClientGroup;
  let member: ClientGroup;
  before(async () => {
    world = await World.create();
    await world.commit(world.clients[0]!, 4);
    [admin, member] = [world.clients[0]!, world.clients[1]!];
  });
  const take = (made: Pick<RawCommit, "commit" | "groupInfo" | "welcome">, recovery?: Uint8Array) =>
    world.server.validateCommit({ ...made, recovery, now });

  it("removals by a member", async () => {
    const extraProposals = [removal(3)];
    take(await rawCommit(rawState(admin), { extraProposals }), emptyRecovery(1, 2, 4)); // control
    const made = await rawCommit(rawState(member), { extraProposals });
    refused("group/policy", () => take(made, emptyRecovery(0, 2, 4)));
  });

  it("additions by a member", async () => {
    const keyPackage = readKeyPackage((await newKeyPackage()).keyPackage);
    const options = { forcePath: true, extraProposals: [{ proposalType: "add" as const, add: { keyPackage } }] };
    take(await rawCommit(rawState(admin), options)); // control
    const made = await rawCommit(rawState(member), options);
    refused("group/policy", () => take(made));
  });

  it("changes of the context by a member, and by an admin what is no context of this house", async () => {
    const { policy } = world.server;
    const other = { ...policy, membersMayAdd: true };
    const change = async (by: ClientGroup, ...lists: Extension[][]): Promise<RawCommit> =>
      rawCommit(rawState(by), { forcePath: true, extraProposals: lists.map(context) });
    take(await change(admin, contextExtensions(other, senderKey))); // control
    take(await change(admin, contextExtensions(policy, senderKey).toReversed())); // control
    for (const p of [other, policy]) {
      const made = await change(member, contextExtensions(p, senderKey));
      refused("group/policy", () => take(made));
    }
    const house = contextExtensions(other, senderKey);
    const swapped = (type: Extension["extensionType"], extensionData: Uint8Array): Extension[] =>
      house.map((extension) => (extension.extensionType === type ? { ...extension, extensionData } : extension));
    const connection: GroupPolicy = { ...policy, connection: true };
    const stranger: GroupPolicy = { ...policy, admins: [...policy.admins, randomBytes(16)] };
    const base = await change(admin, house);
    const lists: [Extension[], FaultCode][] = [
      [[], "group/policy"],
      [house.slice(0, 2), "group/policy"],
      [[...house, { extensionType: "application_id", extensionData: randomBytes(4) }], "group/policy"],
      [contextExtensions(other, randomBytes(32)), "group/policy"],
      [swapped("required_capabilities", Buffer.of(0, 0, 0)), "group/policy"],
      [contextExtensions(connection, senderKey), "group/policy"],
      [contextExtensions(stranger, senderKey), "group/policy"],
      [swapped(GROUP_POLICY, Buffer.concat([encodePolicy(other), Buffer.of(0)])), "group/invalid"],
    ];
    for (const [list, code] of lists) {
      const commit = await resigned(rawState(admin), base, proposing(byValue(context(list))));
      refused(code, () => take({ ...base, commit }));
    }
    const twice = await resigned(rawState(admin), base, proposing(byValue(context(house)), byValue(context(house))));
    refused("group/invalid", () => take({ ...base, commit: twice }));
  });

  it("proposals of other kinds", async () => {
    const state = rawState(admin);
    const base = await rawCommit(state, { forcePath: true });
    take(base); // control
    const { content } = base.message;
    assert.ok(content.contentType === "commit");
    const leafNode = { ...content.commit.path!.leafNode, leafNodeSource: "update" as const };
    const others: Proposal[] = [
      { proposalType: "external_init", externalInit: { kemOutput: randomBytes(32) } },
      {
        proposalType: "reinit",
        reinit: { groupId: randomBytes(16), version: "mls10", cipherSuite: cipherSuite.name, extensions: [] },
      },
      {
        proposalType: "psk",
        psk: { preSharedKeyId: { psktype: "external", pskId: randomBytes(8), pskNonce: randomBytes(32) } },
      },
      { proposalType: 0xf333, proposalData: randomBytes(3) },
      { proposalType: "update", update: { leafNode } },
    ];
    for (const proposal of others) {
      const commit = await resigned(state, base, proposing(byValue(proposal)));
      refused("group/policy", () => take({ ...base, commit }));
    }
  });

  it("a list of sealed keys that is not for just those who stay", async () => {
    const made = await rawCommit(rawState(admin), { extraProposals: [removal(3)] });
    take(made, emptyRecovery(1, 2, 4)); // control
    const usable = emptyRecovery(1, 2, 4);
    const unusable = Uint8Array.from(usable).fill(0, 2, 34);
    for (const list of [
      undefined,
      emptyRecovery(1, 2),
      emptyRecovery(1, 2, 3),
      emptyRecovery(1, 2, 3, 4),
      emptyRecovery(0, 1, 2, 4),
      emptyRecovery(1, 4, 2),
      emptyRecovery(1, 2, 2, 4),
      usable.subarray(0, -1),
      Buffer.concat([usable, Buffer.of(0)]),
      unusable,
    ]) {
      refused("group/invalid", () => take(made, list));
    }
    const renewal = await rawCommit(rawState(admin), { forcePath: true });
    take(renewal, new Uint8Array(0)); // control
    refused("group/invalid", () => take(renewal, emptyRecovery(1, 2, 3, 4)));
  });
});

describe("groups that are not founded", () => {
  const founded = async (extensions: (pseudonym: Uint8Array) => Extension[]): Promise<Uint8Array> => {
    const { pseudonym, handle } = identity();
    const own = await makeKeyPackage({ pseudonym, handle, ...lifetime });
    const state = await createGroup(
      randomBytes(16),
      readKeyPackage(own.keyPackage),
      readPrivateKeys(own.privateKeys),
      extensions(pseudonym),
      cipherSuite,
      clientConfig,
    );
    const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(state, [], cipherSuite);
    return writeMessage({ wireformat: "mls_group_info", groupInfo });
  };
  const with_ = (admins: readonly Uint8Array[], key = senderKey): Extension[] =>
    contextExtensions({ membersMayAdd: false, connection: false, admins }, key);

  it("other extensions, another house's key, admins who are not there", async () => {
    PublicGroup.create(await founded((self) => with_([self])), senderKey, now); // control
    const cases = [
      () => [],
      (self: Uint8Array) => with_([self]).slice(1),
      (self: Uint8Array) => with_([self]).slice(0, 2),
      (self: Uint8Array) => with_([self], randomBytes(32)),
      () => with_([randomBytes(16)]),
      (self: Uint8Array) => with_([self, randomBytes(16)]),
    ];
    for (const extensions of cases) {
      const bytes = await founded(extensions);
      refused("group/policy", () => PublicGroup.create(bytes, senderKey, now));
    }
  });
});
