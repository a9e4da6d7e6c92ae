// Resync and external join: what the server refuses, each beside what it takes.
import assert from "node:assert/strict";
import { joinGroupExternal, type KeyPackage, type Proposal } from "ts-mls";
import { createGroupInfoWithExternalPubAndRatchetTree, generateKeyPackageWithKey } from "ts-mls";
import type { ProposalOrRef } from "ts-mls/proposalOrRefType.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { type FaultCode } from "../../src/fault.ts";
import { type ClientGroup, externalJoin } from "../../src/mls/client.ts";
import { clientConfig } from "../../src/mls/config.ts";
import { leafExtensions, makeKeyPackage, readPrivateKeys } from "../../src/mls/key-package.ts";
import {
  readGroupInfo,
  readKeyPackage,
  readPublicMessage,
  readRatchetTree,
  writeMessage,
} from "../../src/mls/messages.ts";
import { contextExtensions } from "../../src/mls/policy.ts";
import { capabilities, cipherSuite } from "../../src/mls/suite.ts";
import { rawState, resigned } from "./raw.ts";
import { identity, lifetime, newKeyPackage, now, senderKey, World } from "./world.ts";

import { byValue, context, flipsRefused, proposing, raw, refused, removal } from "./refused.ts";

describe("external commits", () => {
  let world: World;
  let pair: World;
  before(async () => {
    world = await World.create();
    await world.commit(world.clients[0]!, 3);
    pair = await World.create({ membersMayAdd: false, connection: true });
  });

  /** What a client without manners sends to the group that `of` offers. */
  const external = async (of: World, own: { publicPackage: KeyPackage; keys: Uint8Array }, resync: boolean) => {
    const { publicMessage, newState } = await joinGroupExternal(
      readGroupInfo(of.server.groupInfo),
      own.publicPackage,
      readPrivateKeys(own.keys),
      resync,
      cipherSuite,
      readRatchetTree(of.server.treeBytes),
      clientConfig,
    );
    const info = await createGroupInfoWithExternalPubAndRatchetTree(newState, [], cipherSuite);
    const extensions = info.extensions.filter(({ extensionType }) => extensionType === "external_pub");
    return { commit: writeMessage({ wireformat: "mls_public_message", publicMessage }), info: { ...info, extensions } };
  };
  const as = async (request: { pseudonym?: Uint8Array; handle?: Uint8Array } = {}) => {
    const { keyPackage, privateKeys } = await makeKeyPackage({ ...identity(), ...lifetime, ...request });
    return { publicPackage: readKeyPackage(keyPackage), keys: privateKeys };
  };
  /** A KeyPackage under the signature key of a client. */
  const withKeyOf = async (client: ClientGroup, pseudonym: Uint8Array) => {
    const { signaturePrivateKey } = rawState(client);
    const publicKey = world.server.leaf(client.ownLeaf)!.signaturePublicKey;
    const { publicPackage, privatePackage } = await generateKeyPackageWithKey(
      { credentialType: "basic", identity: pseudonym },
      capabilities,
      { notBefore: BigInt(lifetime.notBefore), notAfter: BigInt(lifetime.notAfter) },
      [],
      { signKey: signaturePrivateKey, publicKey },
      cipherSuite,
      leafExtensions(identity().handle),
    );
    const { initPrivateKey, hpkePrivateKey } = privatePackage;
    return { publicPackage, keys: Buffer.concat([initPrivateKey, hpkePrivateKey, signaturePrivateKey]) };
  };
  const pseudonymAt = (leaf: number): Uint8Array => world.server.leaf(leaf)!.pseudonym;

  it("a resync: every byte of it counts, and it is for its own operation", async () => {
    const { commit, groupInfo } = await world.clients[2]!.resync({ ...world.offer, now });
    const take = (bytes: Uint8Array) => world.server.validateResync({ commit: bytes, groupInfo, leaf: 2, now });
    flipsRefused(commit, take, () => false);
    for (const leaf of [0, 1, 3, 9]) {
      refused("group/invalid", () => world.server.validateResync({ commit, groupInfo, leaf, now }));
    }
    refused("group/policy", () => world.server.validateCommit({ commit, groupInfo, now }));
    refused("group/policy", () => world.server.validateJoin({ commit, groupInfo, now }));
    const mine = await world.clients[2]!.commit({ now });
    refused("group/policy", () => world.server.validateResync({ ...mine, leaf: 2, now }));
    refused("group/policy", () => world.server.validateJoin({ ...mine, now }));
    refused("group/invalid", () => take(commit.subarray(0, -1)));
    refused("group/invalid", () =>
      world.server.validateResync({ commit, groupInfo: world.server.groupInfo, leaf: 2, now }),
    );
  });

  it("a resync with other proposals than ExternalInit and the Remove of itself", async () => {
    const made = await world.clients[2]!.resync({ ...world.offer, now });
    const message = readPublicMessage(made.commit);
    assert.ok(message.content.contentType === "commit");
    const { proposals } = message.content.commit;
    const init = proposals.find(
      (p) => p.proposalOrRefType === "proposal" && p.proposal.proposalType === "external_init",
    )!;
    const own = byValue(removal(2));
    const state = rawState(world.clients[2]!);
    const base = { ...raw(made), commit: made.commit, welcome: undefined, next: state };
    const keyPackage = readKeyPackage((await newKeyPackage()).keyPackage);
    const pointless: Proposal = { proposalType: "external_init", externalInit: { kemOutput: new Uint8Array(32) } };
    const short: Proposal = { proposalType: "external_init", externalInit: { kemOutput: randomBytes(31) } };
    const lists: [FaultCode, ProposalOrRef[]][] = [
      ["group/invalid", [own]],
      ["group/invalid", [init, init, own]],
      ["group/invalid", [init, own, own]],
      ["group/invalid", [init, own, byValue(removal(1))]],
      ["group/policy", [init, byValue(removal(1))]],
      ["group/invalid", [init, byValue(removal(9))]],
      ["group/policy", [init]],
      ["group/invalid", [byValue(pointless), own]],
      ["group/invalid", [byValue(short), own]],
      ["group/policy", [init, own, byValue({ proposalType: "add", add: { keyPackage } })]],
      ["group/policy", [init, own, byValue(context(contextExtensions(world.server.policy, senderKey)))]],
      ["group/policy", [init, own, { proposalOrRefType: "reference", reference: randomBytes(32) }]],
    ];
    const take = (commit: Uint8Array) => world.server.validateResync({ ...made, commit, leaf: 2, now });
    for (const [code, list] of lists) {
      const commit = await resigned(state, base, proposing(...list));
      refused(code, () => take(commit));
    }
    const spoken = await resigned(state, base, (c) => c, randomBytes(1));
    refused("group/policy", () => take(spoken));
    const pathless = await resigned(state, base, (c) => ({ ...c, path: undefined }));
    refused("group/policy", () => take(pathless));
    take(made.commit); // control
  });

  it("an outsider under a member's pseudonym, and a member's key under another pseudonym", async () => {
    const take = (commit: Uint8Array) =>
      world.server.validateResync({ commit, groupInfo: world.server.groupInfo, leaf: 2, now });
    const forged = await external(world, await as({ pseudonym: pseudonymAt(2) }), true);
    refused("group/policy", () => take(forged.commit));
    const renamed = await external(world, await withKeyOf(world.clients[2]!, randomBytes(16)), true);
    refused("group/policy", () => take(renamed.commit));
    // control: pseudonym and key of the member: only the GroupInfo is not that of the next epoch
    const own = await external(world, await withKeyOf(world.clients[2]!, pseudonymAt(2)), true);
    refused("group/invalid", () => take(own.commit));
  });

  it("a join of a connection: every byte of it counts; of a group, of a full connection, under a name that is taken", async () => {
    const joiner = await as();
    const { commit, info } = await external(pair, joiner, false);
    const made = await externalJoin({ ...pair.offer, ...identity(), senderKey, now });
    const take = (bytes: Uint8Array) => pair.server.validateJoin({ commit: bytes, groupInfo: made.groupInfo, now });
    flipsRefused(made.commit, take, () => false);
    refused("group/policy", () => pair.server.validateCommit({ commit: made.commit, groupInfo: made.groupInfo, now }));
    refused("group/policy", () => pair.server.validateResync({ ...made, leaf: 0, now }));
    // somebody else's GroupInfo
    refused("group/invalid", () =>
      pair.server.validateJoin({
        commit,
        groupInfo: writeMessage({ wireformat: "mls_group_info", groupInfo: { ...info, signature: randomBytes(64) } }),
        now,
      }),
    );
    const stranger = await external(world, await as(), false);
    refused("group/policy", () =>
      world.server.validateJoin({ commit: stranger.commit, groupInfo: world.server.groupInfo, now }),
    );
    const taken = await external(pair, await as({ pseudonym: pair.server.leaf(0)!.pseudonym }), false);
    refused("group/policy", () => take(taken.commit));
    const full = await World.create({ membersMayAdd: false, connection: true });
    await full.join();
    const third = await external(full, await as(), false);
    refused("group/policy", () =>
      full.server.validateJoin({ commit: third.commit, groupInfo: full.server.groupInfo, now }),
    );
  });
});
