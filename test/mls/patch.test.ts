// Each fix of src/mls/patches, named by the rule it restores. Every check passes on the patched library and, as its
// control, fails on the copy as published.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { ClientState, LeafNode, MlsPrivateMessage, Proposal, RatchetTree } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import {
  NAME,
  suite,
  EXTENSION,
  empty,
  same,
  keyPackage,
  config,
  create,
  add,
  removal,
  contextOf,
  commit,
  receive,
  members,
  step,
  isPublicCommit,
  replace,
  validate,
  senders,
  externalSenders,
} from "./bare.ts";
import { type Library, loadPatched, loadStock } from "./stock.ts";

describe("patch of ts-mls", function () {
  this.timeout(30_000);
  let patched: Library;
  let stock: { library: Library; remove(): void } | undefined;
  before(async () => {
    patched = await loadPatched();
    stock = await loadStock();
  });
  after(() => stock?.remove());

  /** One fix: `check` must hold on the patched library and must not on the published one. */
  const fix = (title: string, check: (lib: Library) => Promise<void>): void => {
    it(title, () => check(patched));
    it(`  control: not so as published`, async function () {
      if (stock === undefined) return this.skip(); // neither patch nor git can be run here
      await assert.rejects(check(stock.library));
    });
  };

  fix("12.4.3.1 unmerged leaves: a list need not equal those above it", async (lib) => {
    // leaf 3 joins under node 3, then a commit from the other half renews the root alone
    const states = await members(patched, 5);
    await step(patched, states, 0, [removal(3)]);
    states.splice(3, 1);
    await step(patched, states, 0);
    await step(patched, states, 3, [add(await keyPackage(patched))]);
    await step(patched, states, 3);
    const { ratchetTree } = states[0]!;
    assert.deepEqual(ratchetTree[3]?.nodeType === "parent" && ratchetTree[3].parent.unmergedLeaves, [3]);
    assert.deepEqual(ratchetTree[7]?.nodeType === "parent" && ratchetTree[7].parent.unmergedLeaves, []);
    assert.equal(await validate(lib, ratchetTree, states[0]!), undefined);
  });

  fix("12.4.3.1 unmerged leaves: a blank descendant may not be listed", async (lib) => {
    const states = await members(patched, 5);
    await step(patched, states, 0, [removal(3)]);
    states.splice(3, 1);
    await step(patched, states, 0);
    const tree = states[0]!.ratchetTree.map((node, x) =>
      node?.nodeType === "parent" && (x === 3 || x === 7)
        ? { ...node, parent: { ...node.parent, unmergedLeaves: [3] } }
        : node,
    );
    assert.equal(await validate(patched, states[0]!.ratchetTree, states[0]!), undefined);
    assert.ok((await validate(lib, tree, states[0]!)) !== undefined);
  });

  // in a process of its own with little memory: the published library does not return
  fix("12.4.3.1 unmerged leaves: one outside the tree is refused, in bounded memory", async (lib) => {
    const script = `
      const { validateRatchetTree } = await import(${JSON.stringify(join(lib.directory, "dist/src/clientState.js"))});
      const parent = { hpkePublicKey: new Uint8Array(32), parentHash: new Uint8Array(0), unmergedLeaves: [77777] };
      const error = await validateRatchetTree([undefined, { nodeType: "parent", parent }, undefined], {}, {}, {}, new Uint8Array(32), {});
      process.exit(error === undefined ? 1 : 0);`;
    const args = ["--max-old-space-size=48", "--input-type=module", "-e", script];
    execFileSync(process.execPath, args, { timeout: 8000, stdio: "ignore" });
  });

  fix("7.3 uniqueness: a leaf whose own keys the tree already holds is refused", async (lib) => {
    const [alice, bob] = await members(patched, 2);
    const taken = bob!.ratchetTree[2];
    assert.ok(taken?.nodeType === "leaf");
    const fresh = (await keyPackage(patched)).publicPackage.leafNode;
    const check = (leaf: LeafNode) =>
      lib.clientState.validateLeafNodeCredentialAndKeyUniqueness(alice!.ratchetTree, leaf);
    assert.equal(await check(fresh), undefined);
    assert.ok((await check({ ...fresh, hpkePublicKey: taken.leaf.hpkePublicKey })) !== undefined);
    assert.ok((await check({ ...fresh, signaturePublicKey: taken.leaf.signaturePublicKey })) !== undefined);
  });

  fix("12.2, 7.3 uniqueness: two Adds of one commit may not share an encryption key", async (lib) => {
    const [state] = await members(lib, 1);
    const init = await Promise.all([suite.hpke.generateKeyPair(), suite.hpke.generateKeyPair()]);
    const shared = await suite.hpke.generateKeyPair();
    const queue = [init[0], shared, init[1], shared];
    const cs = { ...suite, hpke: { ...suite.hpke, generateKeyPair: async () => queue.shift()! } };
    const twins = [await keyPackage(lib, cs), await keyPackage(lib, cs)];
    await assert.rejects(commit(lib, state!, twins.map(add)));
  });

  fix("12.1.7 an empty GroupContextExtensions proposal clears the extensions", async (lib) => {
    const states = await members(lib, 2, [{ extensionType: EXTENSION, extensionData: randomBytes(4) }]);
    await step(lib, states, 0, [contextOf([])]);
    assert.deepEqual(states[0]!.groupContext.extensions, []);
    assert.deepEqual(states[1]!.groupContext.extensions, []);
  });

  fix("12.4 a commit of GroupContextExtensions carries a path", async (lib) => {
    const states = await members(lib, 2);
    const made = await step(lib, states, 0, [contextOf([{ extensionType: EXTENSION, extensionData: empty }])]);
    assert.ok(isPublicCommit(made).path !== undefined);
  });

  fix("12.4.1 path secrets are encrypted under the new extensions", async (lib) => {
    const states = await members(lib, 3);
    const proposals = [removal(2), contextOf([{ extensionType: EXTENSION, extensionData: randomBytes(3) }])];
    await step(lib, states.slice(0, 2), 0, proposals);
  });

  fix("2.1.1 an optional zero is present", async (lib) => {
    const [length, write] = lib.optional.optionalEncoder(lib.number.uint32Encoder)(0);
    const bytes = new Uint8Array(length);
    write(0, bytes.buffer);
    assert.deepEqual([...bytes], [1, 0, 0, 0, 0]);
  });

  fix("12.1.8.1 external_senders is one vector", async (lib) => {
    const second = lib.publicMessage.senderFromExtension([externalSenders], 1);
    assert.ok(second && same(second.signaturePublicKey, senders[1]));
    let asked = 0;
    const authService = { validateCredential: async () => ++asked > 0 };
    const keys = await keyPackage(lib);
    const { publicPackage, privatePackage } = keys;
    await lib.mls.createGroup(randomBytes(16), publicPackage, privatePackage, [externalSenders], suite, {
      ...config(lib),
      authService,
    });
    assert.equal(asked, 2);
  });

  fix("12.1.8 an external proposal names its sender's place in the vector", async (lib) => {
    const server = await suite.signature.keygen();
    const extensionData = Uint8Array.from(externalSenders.extensionData);
    extensionData.set(server.publicKey, 2 + 39 + 1);
    const state = await create(patched, [{ ...externalSenders, extensionData }]);
    const info = await patched.mls.createGroupInfoWithExternalPub(state, [], suite);
    const message = await lib.mls.proposeExternal(info, removal(0), server.publicKey, server.signKey, suite);
    assert.ok(message.wireformat === "mls_public_message");
    assert.deepEqual(message.publicMessage.content.sender, { senderType: "external", senderIndex: 1 });
    await lib.mls.processMessage(message, state, lib.mls.emptyPskIndex, lib.mls.acceptAll, suite);
  });

  fix("12.4.3.2 external_pub is an HPKEPublicKey, which is a vector", async (lib) => {
    const info = await lib.mls.createGroupInfoWithExternalPub(await create(lib), [], suite);
    const [extension] = info.extensions;
    assert.equal(extension?.extensionType, "external_pub");
    assert.equal(extension?.extensionData.length, 33);
    assert.equal(extension?.extensionData[0], 32);
  });

  fix("12.4.3.2 and is read as one", async (lib) => {
    const state = await create(patched);
    const info = await patched.mls.createGroupInfoWithExternalPub(state, [], suite);
    const { publicPackage, privatePackage } = await keyPackage(patched);
    const tree = state.ratchetTree;
    const joined = await lib.mls.joinGroupExternal(
      info,
      publicPackage,
      privatePackage,
      false,
      suite,
      tree,
      config(lib),
    );
    const message = { wireformat: "mls_public_message" as const, publicMessage: joined.publicMessage };
    const { emptyPskIndex, acceptAll } = patched.mls;
    const { newState } = await patched.mls.processMessage(message, state, emptyPskIndex, acceptAll, suite);
    assert.ok(same(newState.keySchedule.epochAuthenticator, joined.newState.keySchedule.epochAuthenticator));
  });

  fix("12.1.3 an external commit, too, can only remove a leaf that is there", async (lib) => {
    const states = await members(patched, 3);
    await step(patched, states, 0, [removal(1)]);
    const info = await lib.mls.createGroupInfoWithExternalPub(states[0]!, [], suite);
    const { publicPackage, privatePackage } = await keyPackage(patched);
    const tree = states[0]!.ratchetTree;
    const { publicMessage } = await lib.mls.joinGroupExternal(
      info,
      publicPackage,
      privatePackage,
      false,
      suite,
      tree,
      config(lib),
    );
    const { content } = publicMessage;
    assert.ok(content.contentType === "commit");
    const proposals = content.commit.proposals;
    const removing = [...proposals, { proposalOrRefType: "proposal" as const, proposal: removal(1) }];
    const apply = (list: typeof removing) =>
      lib.clientState.applyProposals(states[0]!, list, undefined, lib.mls.emptyPskIndex, false, suite);
    await apply(proposals);
    await assert.rejects(apply(removing));
  });

  fix("12.4.3.2 an earlier copy of a client learns that its leaf was replaced from outside", async (lib) => {
    const [alice, bob] = await members(lib, 2);
    const joined = await replace(lib, bob!, alice!);
    const message = { wireformat: "mls_public_message" as const, publicMessage: joined.publicMessage };
    const take = async (state: ClientState) =>
      (await lib.mls.processMessage(message, state, lib.mls.emptyPskIndex, lib.mls.acceptAll, suite)).newState;
    const { keySchedule } = await take(alice!);
    assert.ok(same(keySchedule.epochAuthenticator, joined.newState.keySchedule.epochAuthenticator));
    assert.equal((await take(bob!)).groupActiveState.kind, "removedFromGroup");
  });

  fix("7.7, 12.4.3.2 the only member, too, may come back under a new leaf", async (lib) => {
    const [alice] = await members(lib, 1);
    const { newState, publicMessage } = await replace(lib, alice!, alice!);
    assert.equal(newState.ratchetTree.length, 1);
    assert.notDeepEqual(newState.keySchedule.exporterSecret, alice!.keySchedule.exporterSecret);
    const message = { wireformat: "mls_public_message" as const, publicMessage };
    const { emptyPskIndex, acceptAll } = lib.mls;
    const taken = await lib.mls.processMessage(message, alice!, emptyPskIndex, acceptAll, suite);
    assert.equal(taken.newState.groupActiveState.kind, "removedFromGroup");
  });

  fix("7.9.2 a leaf that a parent should list as unmerged makes it invalid", async (lib) => {
    // leaf 2 commits beside the blank leaf 3: the root's hash is in leaf 2, over the other half
    const states = await members(patched, 4);
    await step(patched, states, 0, [removal(3)]);
    states.splice(3, 1);
    await step(patched, states, 2);
    const tree = states[0]!.ratchetTree.slice();
    const valid = (nodes: RatchetTree): Promise<boolean> => lib.parentHash.verifyParentHashes(nodes, suite.hash);
    assert.equal(await valid(tree), true);
    tree[6] = { nodeType: "leaf", leaf: (await keyPackage(patched)).publicPackage.leafNode };
    assert.equal(await valid(tree), false);
    const root = tree[3];
    assert.ok(root?.nodeType === "parent");
    tree[3] = { nodeType: "parent", parent: { ...root.parent, unmergedLeaves: [3] } };
    assert.equal(await valid(tree), true);
  });

  // in a process of its own: the published library does not return
  fix("12.4.3.2 whoever has no leaf in the tree has none to replace", async (lib) => {
    const script = `
      const mls = await import(${JSON.stringify(join(lib.directory, "dist/src/index.js"))});
      const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(${JSON.stringify(NAME)}));
      const config = { keyRetentionConfig: mls.defaultKeyRetentionConfig, lifetimeConfig: mls.defaultLifetimeConfig,
        keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig, paddingConfig: mls.defaultPaddingConfig,
        authService: mls.defaultAuthenticationService };
      const keys = (name) => mls.generateKeyPackage({ credentialType: "basic", identity: new Uint8Array(name) },
        mls.defaultCapabilities(), mls.defaultLifetime, [], suite);
      const [alice, bob] = [await keys(1), await keys(2)];
      const state = await mls.createGroup(new Uint8Array(4), alice.publicPackage, alice.privatePackage, [], suite, config);
      const info = await mls.createGroupInfoWithExternalPub(state, [], suite);
      const enter = (resync) => mls.joinGroupExternal(info, bob.publicPackage, bob.privatePackage, resync, suite, state.ratchetTree, config);
      await enter(false);
      await enter(true).then(() => process.exit(1), () => process.exit(0));`;
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 5000, stdio: "ignore" });
  });

  fix("5.3 a credential of another type decodes as opaque data", async (lib) => {
    const decoded = lib.credential.decodeCredential(Uint8Array.from([0xf0, 0, 2, 7, 8]), 0);
    assert.equal(decoded?.[1], 5);
  });

  fix("7.4, 12.4.1 the commit secret follows the last path secret where the root is filtered out", async (lib) => {
    // only leaves 2 and 3 are left: their root has nobody to its left
    const states = (await members(patched, 4)).slice(0, 4);
    await step(patched, states, 2, [removal(0), removal(1)]);
    const { ratchetTree } = states[2]!;
    assert.equal(ratchetTree.length, 7);
    assert.equal(ratchetTree[3], undefined);
    const last = Uint8Array.from(randomBytes(32));
    const secret = await lib.pathSecrets.getCommitSecret(ratchetTree, 5 as never, last, suite.kdf);
    const { expandWithLabel } = await import("ts-mls/crypto/kdf.js");
    assert.ok(same(secret, await expandWithLabel(last, "path", empty, 32, suite.kdf)));
  });

  fix("7.4, 12.4.1 the last member's commit has a secret that a removed one cannot make", async (lib) => {
    const [alice, bob] = await members(lib, 2);
    const bobsInitSecret = Uint8Array.from(bob!.keySchedule.initSecret);
    const made = await commit(lib, alice!, [removal(1)]);
    // all that bob needs beside his init secret is public: the context of the next epoch
    const zeros = new Uint8Array(32);
    const context = made.newState.groupContext;
    const guess = await lib.keySchedule.initializeEpoch(bobsInitSecret, zeros, context, zeros, suite.kdf);
    assert.ok(!same(guess.keySchedule.exporterSecret, made.newState.keySchedule.exporterSecret));
  });

  fix("12.3 one who is removed learns it also when an Add takes the leaf at once", async (lib) => {
    const [alice, bob] = await members(lib, 2);
    const made = await commit(lib, alice!, [removal(1), add(await keyPackage(lib))]);
    assert.equal((await receive(lib, bob!, made)).groupActiveState.kind, "removedFromGroup");
  });

  fix(
    "12.4 a commit may carry a path without needing one, and a path may change the leaf's extensions",
    async (lib) => {
      const states = await members(lib, 2);
      const extension = { extensionType: EXTENSION, extensionData: randomBytes(5) };
      const made = await lib.mls.createCommit(
        { state: states[0]!, cipherSuite: suite },
        {
          extraProposals: [add(await keyPackage(lib))],
          wireAsPublicMessage: true,
          forcePath: true,
          leafNodeExtensions: [extension],
        },
      );
      assert.deepEqual(isPublicCommit(made).path?.leafNode.extensions, [extension]);
      const after = await receive(lib, states[1]!, made);
      assert.ok(same(after.keySchedule.epochAuthenticator, made.newState.keySchedule.epochAuthenticator));
    },
  );

  fix("6 an application message tells its sender and authenticated data", async (lib) => {
    const [alice, bob] = await members(lib, 2);
    const aad = Uint8Array.from([1, 2, 3]);
    const sent = await lib.mls.createApplicationMessage(alice!, Uint8Array.from([9]), suite, aad);
    const message: MlsPrivateMessage = { wireformat: "mls_private_message", privateMessage: sent.privateMessage };
    const got = await lib.mls.processMessage(message, bob!, lib.mls.emptyPskIndex, lib.mls.acceptAll, suite);
    assert.ok(got.kind === "applicationMessage");
    assert.equal(got.senderLeafIndex, 0);
    assert.ok(same(got.aad, aad));
  });

  // a member that signs and tags, with this group's keys, a proposal for another group or a later epoch
  for (const [what, change] of [
    ["group", { groupId: Uint8Array.from([1]) }],
    ["epoch", { epoch: 9n }],
  ] as const) {
    fix(`6 a public message of another ${what} is refused`, async (lib) => {
      const [alice, bob] = await members(patched, 2);
      const context = alice!.groupContext;
      const content = {
        groupId: context.groupId,
        epoch: context.epoch,
        sender: { senderType: "member" as const, leafIndex: 0 },
        contentType: "proposal" as const,
        authenticatedData: empty,
        proposal: removal(1),
        ...change,
      };
      const tbs = {
        ...patched.framedContent.toTbs(content, "mls_public_message", context),
        senderType: "member" as const,
      };
      const { signFramedContentApplicationOrProposal } = patched.framedContent;
      const auth = await signFramedContentApplicationOrProposal(alice!.signaturePrivateKey, tbs as never, suite);
      const key = alice!.keySchedule.membershipKey;
      const signed = { wireformat: "mls_public_message" as const, content, auth };
      const message = await patched.protect.protectPublicMessage(key, context, signed, suite);
      await assert.rejects(lib.processMessages.processPublicMessage(bob!, message, lib.mls.emptyPskIndex, suite));
    });
  }

  fix("12.4.2 a private commit finds its pre-shared keys", async (lib) => {
    const [alice, bob] = await members(lib, 2);
    const pskId = Uint8Array.from([1, 2, 3]);
    const external = { [Buffer.from(pskId).toString("base64")]: Uint8Array.from(randomBytes(32)) };
    const proposal: Proposal = {
      proposalType: "psk",
      psk: { preSharedKeyId: { psktype: "external", pskId, pskNonce: Uint8Array.from(randomBytes(32)) } },
    };
    const made = await lib.mls.createCommit(
      { state: alice!, cipherSuite: suite, pskIndex: lib.mls.makePskIndex(alice, external) },
      { extraProposals: [proposal] },
    );
    const message = made.commit as MlsPrivateMessage;
    const psks = lib.mls.makePskIndex(bob, external);
    const got = await lib.mls.processMessage(message, bob!, psks, lib.mls.acceptAll, suite);
    assert.ok(same(got.newState.keySchedule.epochAuthenticator, made.newState.keySchedule.epochAuthenticator));
  });
});
