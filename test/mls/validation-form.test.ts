// Rules that other rules would hide: each case is right in everything but the one thing it is about.
import assert from "node:assert/strict";
import { generateKeyPackageWithKey, type ClientState, type Commit, type Extension, type KeyPackage } from "ts-mls";
import type { GroupContext, GroupInfo, Node } from "ts-mls";
import { groupInfoTBSEncoder } from "ts-mls/groupInfo.js";
import type { Capabilities, Credential, LeafNodeCommit, Proposal, PublicMessage, UpdatePath } from "ts-mls";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { signWithLabel } from "ts-mls/crypto/signature.js";
import { keyPackageTBSEncoder } from "ts-mls/keyPackage.js";
import { leafNodeTBSEncoder } from "ts-mls/leafNode.js";
import { randomBytes } from "../../src/crypto/random.ts";
import type { FaultCode } from "../../src/fault.ts";
import { leafExtensions } from "../../src/mls/key-package.ts";
import { readGroupInfo, readPublicMessage, writeMessage } from "../../src/mls/messages.ts";
import { contextExtensions } from "../../src/mls/policy.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import {
  capabilities,
  cipherSuite,
  GROUP_POLICY,
  KEY_LENGTH,
  LAST_RESORT,
  MAX_CAPABILITIES,
  MAX_EXTENSION_BYTES,
  MAX_LIFETIME,
  MAX_MEMBERS,
  QUEUE_HANDLE,
} from "../../src/mls/suite.ts";
import { commitParts, stageCommit } from "../../src/mls/validation-commit.ts";
import { checkContext, checkGroupInfo, checkMembers } from "../../src/mls/validation-group.ts";
import { checkKeyPackage } from "../../src/mls/validation-leaf.ts";
import { checkFraming, checkRemoval } from "../../src/mls/validation-proposal.ts";
import { rawCommit, type RawCommit, rawProposal, rawState, resigned } from "./raw.ts";
import { byValue, context, raw, refused, removal } from "./refused.ts";
import { identity, lifetime, now, senderKey, World } from "./world.ts";

describe("rules one at a time", () => {
  let world: World;
  let state: ClientState;
  let removing: RawCommit;
  before(async () => {
    world = await World.create();
    await world.commit(world.clients[0]!, 7);
    for (let i = 0; i < 8; i++) await world.commit(world.clients[i]!);
    state = rawState(world.clients[0]!);
    removing = await rawCommit(state, { extraProposals: [removal(2)] });
  });
  const tree = (): PublicTree => PublicTree.from(world.server.exportTree());
  const stage = (bytes: Uint8Array) =>
    stageCommit(tree(), readPublicMessage(bytes), { context: state.groupContext, pending: [] }, now);

  describe("the form of a commit", () => {
    type Changed = Partial<PublicMessage["content"]> | { commit: Partial<Commit> };
    const withContent = (change: Changed): PublicMessage =>
      ({ ...removing.message, content: { ...removing.message.content, ...change } }) as PublicMessage;
    const withProposals = (message: PublicMessage, proposals: Proposal[]): PublicMessage => {
      const { content } = message;
      assert.ok(content.contentType === "commit");
      return { ...message, content: { ...content, commit: { ...content.commit, proposals: proposals.map(byValue) } } };
    };

    it("is a commit, by a member or from outside, with a tag of its length", async () => {
      commitParts(removing.message); // control
      const { proposal } = await world.clients[1]!.leave();
      refused("group/policy", () => commitParts(readPublicMessage(proposal)));
      refused("group/policy", () => commitParts(withContent({ sender: { senderType: "external", senderIndex: 0 } })));
      refused("group/policy", () => commitParts(withContent({ sender: { senderType: "new_member_proposal" } })));
      for (const length of [0, 31, 33]) {
        const auth = { ...removing.message.auth, confirmationTag: new Uint8Array(length) };
        refused("group/invalid", () => commitParts({ ...removing.message, auth }));
      }
    });

    it("has one change of the context at most, and no more proposals than there may be members", async () => {
      const change = context(contextExtensions(world.server.policy, senderKey));
      assert.ok(commitParts(withProposals(removing.message, [change])).extensions);
      refused("group/invalid", () => commitParts(withProposals(removing.message, [change, change])));
      const many = (count: number): Proposal[] => Array.from({ length: count }, () => removal(1));
      commitParts(withProposals(removing.message, many(MAX_MEMBERS))); // control
      refused("group/limit", () => commitParts(withProposals(removing.message, many(MAX_MEMBERS + 1))));
    });

    it("from outside: one ExternalInit with a usable output, one Remove at most", async () => {
      const { message } = raw(await world.clients[1]!.resync({ ...world.offer, now }));
      const init = (kemOutput: Uint8Array): Proposal => ({
        proposalType: "external_init",
        externalInit: { kemOutput },
      });
      const good = init(Buffer.alloc(32, 9));
      const parts = commitParts(withProposals(message, [good, removal(1)]));
      assert.deepEqual([parts.committer, parts.removes], [undefined, [1]]);
      for (const list of [
        [],
        [removal(1)],
        [good, good],
        [good, removal(1), removal(1)],
        [init(new Uint8Array(32)), removal(1)],
        [init(randomBytes(31)), removal(1)],
      ]) {
        refused("group/invalid", () => commitParts(withProposals(message, list)));
      }
    });
  });

  describe("a group context", () => {
    it("is of this version and suite, with an id, an epoch and hashes of their lengths", () => {
      const good = state.groupContext;
      checkContext(good);
      checkContext({ ...good, epoch: 0n, confirmedTranscriptHash: new Uint8Array(0), groupId: randomBytes(32) });
      checkContext({ ...good, epoch: 2n ** 48n - 1n });
      const faults: [FaultCode, Partial<GroupContext>][] = [
        ["group/invalid", { cipherSuite: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519" }],
        ["group/limit", { groupId: randomBytes(33) }],
        ["group/limit", { epoch: 2n ** 48n }],
        ["group/invalid", { treeHash: randomBytes(31) }],
        ["group/invalid", { confirmedTranscriptHash: new Uint8Array(0) }],
        ["group/invalid", { epoch: 0n }],
      ];
      for (const [code, change] of faults) refused(code, () => checkContext({ ...good, ...change }));
    });
  });

  describe("what comes from outside", () => {
    it("a GroupInfo, well signed, is for this very context and tag, by this signer, with external_pub alone", async () => {
      const info = readGroupInfo(removing.groupInfo);
      const { groupContext, confirmationTag } = info;
      const signer = rawState(world.clients[0]!).ratchetTree[0];
      assert.ok(signer?.nodeType === "leaf");
      const check = async (change: Partial<GroupInfo>): Promise<() => void> => {
        const changed = { ...info, ...change };
        const tbs = encode(groupInfoTBSEncoder)(changed);
        const signature = await signWithLabel(state.signaturePrivateKey, "GroupInfoTBS", tbs, cipherSuite.signature);
        return () => checkGroupInfo({ ...changed, signature }, signer.leaf, groupContext, confirmationTag, false);
      };
      (await check({}))(); // control
      const pub = info.extensions[0]!;
      const faults: [FaultCode, Partial<GroupInfo>][] = [
        ["group/invalid", { groupContext: { ...groupContext, epoch: groupContext.epoch + 1n } }],
        ["group/invalid", { groupContext: { ...groupContext, extensions: groupContext.extensions.toReversed() } }],
        ["group/invalid", { confirmationTag: randomBytes(32) }],
        ["group/policy", { extensions: [] }],
        ["group/policy", { extensions: [pub, pub] }],
        ["group/policy", { extensions: [{ extensionType: 0xf333, extensionData: pub.extensionData }] }],
        [
          "group/invalid",
          { extensions: [{ ...pub, extensionData: Buffer.concat([Buffer.of(32), Buffer.alloc(32)]) }] },
        ],
        ["group/invalid", { extensions: [{ ...pub, extensionData: Buffer.concat([Buffer.of(31), randomBytes(31)]) }] }],
        [
          "group/invalid",
          { extensions: [{ ...pub, extensionData: Buffer.concat([pub.extensionData, Buffer.of(0)]) }] },
        ],
      ];
      for (const [code, change] of faults) refused(code, await check(change));
      refused("group/invalid", () => checkGroupInfo(info, undefined, groupContext, confirmationTag, false));
    });

    it("a tree is checked as a whole and leaf by leaf", () => {
      const check = (change: (nodes: (Node | undefined)[]) => void): void => {
        const nodes = world.server.exportTree().slice();
        change(nodes);
        checkMembers(PublicTree.from(nodes), state.groupContext, now);
      };
      check(() => {}); // control
      const leafWith = (changed: object) => (nodes: (Node | undefined)[]) => {
        const node = nodes[6];
        assert.ok(node?.nodeType === "leaf");
        nodes[6] = { nodeType: "leaf", leaf: { ...node.leaf, ...changed } };
      };
      refused("group/invalid", () => check(leafWith({ signature: randomBytes(64) })));
      refused("group/invalid", () =>
        check((nodes) => {
          const node = nodes[3];
          assert.ok(node?.nodeType === "parent");
          nodes[3] = { nodeType: "parent", parent: { ...node.parent, parentHash: randomBytes(32) } };
        }),
      );
    });
  });

  describe("framing", () => {
    it("names the group, and a member's tag has its length", async () => {
      const keyOf = (leaf: number) => world.server.leaf(leaf)?.signaturePublicKey;
      const check = (bytes: Uint8Array) => checkRemoval(readPublicMessage(bytes), state.groupContext, keyOf);
      check(await rawProposal(state, removal(0))); // control
      // signed for this context, by a member, under another group's name
      const elsewhere = await rawProposal(state, removal(0), { groupId: randomBytes(16) });
      refused("group/invalid", () => check(elsewhere));
      const message = readPublicMessage(await rawProposal(state, removal(0)));
      assert.ok(message.senderType === "member");
      for (const length of [0, 31, 33]) {
        const publicMessage = { ...message, membershipTag: new Uint8Array(length) };
        refused("group/invalid", () => check(writeMessage({ wireformat: "mls_public_message", publicMessage })));
      }
      refused("group/invalid", () => checkFraming(message, undefined, state.groupContext));
    });
  });

  describe("a path that fits in everything else", () => {
    const sign = async (leaf: LeafNodeCommit, leafIndex: number, by: ClientState): Promise<LeafNodeCommit> => {
      const tbs = encode(leafNodeTBSEncoder)({ ...leaf, groupId: by.groupContext.groupId, leafIndex });
      const signature = await signWithLabel(by.signaturePrivateKey, "LeafNodeTBS", tbs, cipherSuite.signature);
      return { ...leaf, signature };
    };
    /** The commit with its path changed, parent hash, leaf signature and message signature made to fit. */
    const rebuilt = async (
      made: RawCommit,
      by: ClientState,
      removed: number,
      at: (tree: PublicTree, leaf: LeafNodeCommit) => number,
      change: (path: UpdatePath) => UpdatePath,
    ): Promise<Uint8Array> => {
      const { content } = made.message;
      assert.ok(content.contentType === "commit");
      const path = change(content.commit.path!);
      const after = tree();
      after.remove(removed);
      const committer = at(after, path.leafNode);
      const keys = path.nodes.map(({ hpkePublicKey }) => hpkePublicKey);
      const parentHash = Uint8Array.from(after.mergePath(committer, after.filteredDirectPath(committer), keys));
      const leafNode = await sign({ ...path.leafNode, parentHash }, committer, by);
      return resigned(by, made, (commit) => ({ ...commit, path: { ...path, leafNode } }));
    };
    const own = (change: (path: UpdatePath) => UpdatePath) => rebuilt(removing, state, 2, () => 0, change);
    const withKey = (hpkePublicKey: Uint8Array) =>
      own((path) => ({
        ...path,
        nodes: path.nodes.map((node, i) => (i === 0 ? { ...node, hpkePublicKey } : node)),
      }));

    it("but for its public keys: taken, twice, of small order, of another length", async () => {
      stage(await own((path) => path)); // control
      stage(await withKey(randomBytes(KEY_LENGTH))); // control
      const taken = tree().parent(13)!.hpkePublicKey;
      const { content } = removing.message;
      assert.ok(content.contentType === "commit");
      const second = content.commit.path!.nodes[1]!.hpkePublicKey;
      for (const key of [taken, second, new Uint8Array(32), randomBytes(31), randomBytes(33)]) {
        const bytes = await withKey(key);
        refused("group/invalid", () => stage(bytes));
      }
    });

    it("but for a node too many", async () => {
      const bytes = await own((path) => ({
        ...path,
        nodes: [...path.nodes, { hpkePublicKey: randomBytes(32), encryptedPathSecret: [] }],
      }));
      refused("group/invalid", () => stage(bytes));
    });

    it("but for the key of the leaf that a resync replaces", async () => {
      const client = world.clients[1]!;
      const by = rawState(client);
      const made = await client.resync({ ...world.offer, now });
      const base: RawCommit = { ...raw(made), commit: made.commit, welcome: undefined, next: by };
      const keyed = (key?: Uint8Array) =>
        rebuilt(
          base,
          by,
          1,
          (after, leaf) => after.add(leaf),
          (path) => ({ ...path, leafNode: { ...path.leafNode, ...(key && { hpkePublicKey: key }) } }),
        );
      assert.equal(stage(await keyed()).kind, "resync"); // control
      const fresh = await keyed(randomBytes(32));
      stage(fresh); // control
      const old = await keyed(tree().leaf(1)!.hpkePublicKey);
      refused("group/invalid", () => stage(old));
      const parents = await keyed(tree().parent(13)!.hpkePublicKey);
      refused("group/invalid", () => stage(parents));
    });
  });

  describe("a KeyPackage, one rule at a time", () => {
    interface Made {
      credential?: Credential;
      can?: Partial<Capabilities>;
      life?: [notBefore: number, notAfter: number];
      extensions?: Extension[];
      leaf?: Extension[];
    }
    const made = async ({ credential, can = {}, life, extensions = [], leaf }: Made = {}): Promise<KeyPackage> => {
      const { pseudonym, handle } = identity();
      const [notBefore, notAfter] = life ?? [lifetime.notBefore, lifetime.notAfter];
      const { publicPackage } = await generateKeyPackageWithKey(
        credential ?? { credentialType: "basic", identity: pseudonym },
        { ...capabilities, ...can },
        { notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) },
        extensions,
        await cipherSuite.signature.keygen(),
        cipherSuite,
        leaf ?? leafExtensions(handle),
      );
      return publicPackage;
    };
    const handle = (length: number): Extension => ({ extensionType: QUEUE_HANDLE, extensionData: randomBytes(length) });
    const lastResort = (length: number): Extension => ({
      extensionType: LAST_RESORT,
      extensionData: randomBytes(length),
    });
    const check = (keyPackage: KeyPackage) => checkKeyPackage(keyPackage, state.groupContext, now);

    it("as ours are, they pass", async () => {
      check(await made());
      check(await made({ extensions: [lastResort(0)] }));
      check(await made({ life: [now, now] }));
      check(await made({ life: [now - 5, now - 5 + MAX_LIFETIME] }));
      checkKeyPackage(await made({ life: [now - 9, now - 1] }), state.groupContext, undefined);
    });

    it("else they do not", async () => {
      const x509: Credential = { credentialType: "x509", certificates: [randomBytes(16)] };
      const faults: [FaultCode, Made][] = [
        ["group/policy", { credential: { credentialType: "basic", identity: randomBytes(15) } }],
        ["group/policy", { credential: { credentialType: "basic", identity: randomBytes(17) } }],
        ["group/policy", { credential: x509, can: { credentials: ["basic", "x509"] } }],
        ["group/invalid", { can: { versions: [] } }],
        ["group/invalid", { can: { ciphersuites: ["MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519"] } }],
        ["group/invalid", { can: { extensions: [GROUP_POLICY] } }],
        ["group/invalid", { can: { extensions: [QUEUE_HANDLE] } }],
        ["group/invalid", { can: { credentials: [] } }],
        ["group/limit", { can: { proposals: Array.from({ length: MAX_CAPABILITIES + 1 }, (_, i) => 0xf100 + i) } }],
        ["group/invalid", { life: [now - 9, now - 1] }],
        ["group/invalid", { life: [now + 1, now + 9] }],
        ["group/invalid", { life: [now - 5, now - 4 + MAX_LIFETIME] }],
        ["group/policy", { leaf: [] }],
        ["group/policy", { leaf: [handle(87)] }],
        ["group/policy", { leaf: [handle(89)] }],
        ["group/policy", { leaf: [handle(88), handle(88)] }],
        ["group/policy", { leaf: [{ ...handle(88), extensionType: LAST_RESORT }] }],
        ["group/policy", { extensions: [{ extensionType: QUEUE_HANDLE, extensionData: new Uint8Array(0) }] }],
        ["group/invalid", { extensions: [lastResort(1)] }],
        ["group/invalid", { extensions: [lastResort(0), lastResort(0)] }],
        ["group/limit", { extensions: [lastResort(MAX_EXTENSION_BYTES + 1)] }],
      ];
      for (const [code, change] of faults) {
        const keyPackage = await made(change);
        refused(code, () => check(keyPackage));
      }
    });

    it("nor with keys that cannot be used, though well signed", async () => {
      const { signKey, publicKey } = await cipherSuite.signature.keygen();
      const base = await made();
      const signed = async (
        change: Partial<KeyPackage>,
        leaf: Partial<KeyPackage["leafNode"]> = {},
      ): Promise<KeyPackage> => {
        const leafNode = { ...base.leafNode, signaturePublicKey: publicKey, ...leaf };
        const leafTbs = encode(leafNodeTBSEncoder)(leafNode);
        leafNode.signature = await signWithLabel(signKey, "LeafNodeTBS", leafTbs, cipherSuite.signature);
        const keyPackage = { ...base, leafNode, ...change };
        const tbs = encode(keyPackageTBSEncoder)(keyPackage);
        return { ...keyPackage, signature: await signWithLabel(signKey, "KeyPackageTBS", tbs, cipherSuite.signature) };
      };
      check(await signed({})); // control
      const { hpkePublicKey } = base.leafNode;
      const keys: [Partial<KeyPackage>, Partial<KeyPackage["leafNode"]>?][] = [
        [{ initKey: new Uint8Array(32) }],
        [{ initKey: randomBytes(31) }],
        [{ initKey: hpkePublicKey }],
        [{}, { hpkePublicKey: new Uint8Array(32) }],
        [{}, { hpkePublicKey: randomBytes(33) }],
        [{}, { signaturePublicKey: new Uint8Array(32) }],
        [{ cipherSuite: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519" }],
      ];
      for (const [change, leaf] of keys) {
        const keyPackage = await signed(change, leaf);
        refused("group/invalid", () => check(keyPackage));
      }
      refused("group/invalid", () => check({ ...base, signature: randomBytes(64) }));
      refused("group/invalid", () => check({ ...base, leafNode: { ...base.leafNode, signature: randomBytes(64) } }));
    });
  });
});
