// What the server's public group refuses, and with which code. Each case starts from a commit that is accepted.
import assert from "node:assert/strict";
import {
  generateKeyPackageWithKey,
  joinGroupExternal,
  type ClientState,
  type HPKECiphertext,
  type LeafNode,
} from "ts-mls";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { signWithLabel } from "ts-mls/crypto/signature.js";
import { groupInfoTBSEncoder } from "ts-mls/groupInfo.js";
import { Fault, type FaultCode } from "../../src/fault.ts";
import { clientConfig } from "../../src/mls/config.ts";
import { leafExtensions, makeKeyPackage, readPrivateKeys } from "../../src/mls/key-package.ts";
import { readGroupInfo, readKeyPackage, readPublicMessage, readWelcome, writeMessage } from "../../src/mls/messages.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import type { PublicTree } from "../../src/mls/public-tree.ts";
import {
  capabilities,
  cipherSuite,
  GROUP_POLICY,
  MAX_ADDS,
  MAX_CAPABILITIES,
  MAX_LIFETIME,
  QUEUE_HANDLE,
} from "../../src/mls/suite.ts";
import { checkPathKeys } from "../../src/mls/validation-path.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { rawCommit, rawState, resigned, type RawCommit } from "./raw.ts";
import { identity, lifetime, newKeyPackage, now, senderKey, World } from "./world.ts";

const stateOf = (group: PublicGroup): Buffer => {
  const bytes = Buffer.alloc(group.encodedLength);
  group.encodeInto(bytes);
  return bytes;
};
const adding = (keyPackage: Uint8Array) => ({
  proposalType: "add" as const,
  add: { keyPackage: readKeyPackage(keyPackage) },
});

describe("public group refusals", () => {
  let world: World;
  let state: ClientState;
  let renewal: RawCommit;
  let added: RawCommit;
  let before_: Buffer;

  before(async () => {
    world = await World.create();
    await world.commit(world.clients[0]!, 4);
    await world.commit(world.clients[2]!);
    state = rawState(world.clients[0]!);
    renewal = await rawCommit(state, { forcePath: true });
    const extraProposals = [adding((await newKeyPackage()).keyPackage), adding((await newKeyPackage()).keyPackage)];
    added = await rawCommit(state, { forcePath: true, extraProposals });
    before_ = stateOf(world.server);
    // control: both are accepted as they are
    validate(renewal);
    validate(added);
  });
  // no refusal and no staged commit changes the group it came from
  afterEach(() => assert.deepEqual(stateOf(world.server), before_));

  const validate = (
    made: Pick<RawCommit, "commit" | "groupInfo" | "welcome">,
    change: { commit?: Uint8Array; groupInfo?: Uint8Array; welcome?: Uint8Array | undefined; now?: number } = {},
  ) => {
    const { commit, groupInfo, welcome } = { ...made, ...change };
    return world.server.validateCommit({ commit, groupInfo, welcome, now: change.now ?? now });
  };
  const refused = (code: FaultCode, work: () => unknown): void =>
    assert.throws(work, (error: unknown) => {
      assert.ok(error instanceof Fault, String(error));
      assert.equal(error.code, code);
      assert.equal(error.message, code);
      assert.equal(error.cause, undefined);
      return true;
    });

  it("every byte of the commit counts, but those only members can check", () => {
    let accepted = 0;
    const { commit } = added;
    for (let i = 0; i < commit.length; i++) {
      const flipped = commit.slice();
      flipped[i]! ^= 1 << (i % 8);
      try {
        validate(added, { commit: flipped });
        accepted++;
        // the membership tag is the last field: a length byte and 32 bytes
        assert.ok(i >= commit.length - 32);
      } catch (error) {
        assert.ok(error instanceof Fault, `byte ${i}: ${String(error)}`);
      }
    }
    assert.equal(accepted, 32);
  });

  it("every byte of the GroupInfo counts", () => {
    for (let i = 0; i < added.groupInfo.length; i++) {
      const flipped = added.groupInfo.slice();
      flipped[i]! ^= 1 << (i % 8);
      assert.throws(
        () => validate(added, { groupInfo: flipped }),
        (error) => error instanceof Fault,
      );
    }
  });

  it("a flipped Welcome is refused or changes ciphertext only", () => {
    const welcome = added.welcome!;
    let accepted = 0;
    for (let i = 0; i < welcome.length; i += 3) {
      const flipped = welcome.slice();
      flipped[i]! ^= 1 << (i % 8);
      try {
        validate(added, { welcome: flipped });
        accepted++;
      } catch (error) {
        assert.ok(error instanceof Fault);
      }
    }
    assert.ok(accepted > 0 && accepted < welcome.length / 3);
  });

  it("cut and prolonged messages", () => {
    for (const part of ["commit", "groupInfo", "welcome"] as const) {
      const bytes = added[part]!;
      refused("group/invalid", () => validate(added, { [part]: bytes.subarray(0, -1) }));
      refused("group/invalid", () => validate(added, { [part]: Buffer.concat([bytes, Buffer.alloc(1)]) }));
      refused("group/invalid", () => validate(added, { [part]: new Uint8Array(0) }));
      refused("group/invalid", () => validate(added, { [part]: randomBytes(bytes.length) }));
    }
  });

  it("a length that is not minimal", () => {
    // group_id<V> after version, wire format: one length byte becomes the two-byte form of the same length
    const { commit } = renewal;
    assert.equal(commit[4], 16);
    const longer = Buffer.concat([commit.subarray(0, 4), Buffer.from([0x40, 16]), commit.subarray(5)]);
    refused("group/invalid", () => validate(renewal, { commit: Uint8Array.from(longer) }));
  });

  it("another epoch", async () => {
    const later = await rawCommit(renewal.next, { forcePath: true });
    refused("group/epoch", () => validate(later));
  });

  it("another group", async () => {
    const other = await World.create();
    await other.commit(other.clients[0]!, 1);
    await other.commit(other.clients[1]!);
    assert.equal(other.server.epoch, world.server.epoch);
    refused("group/invalid", () => other.server.validateCommit({ ...renewal, now }));
  });

  it("a GroupInfo by another member, of another commit, with the tree", async () => {
    const rival = await rawCommit(rawState(world.clients[1]!), { forcePath: true });
    refused("group/invalid", () => validate(renewal, { groupInfo: rival.groupInfo }));
    refused("group/invalid", () => validate(renewal, { groupInfo: added.groupInfo }));
    const current = await world.clients[0]!.groupInfo();
    refused("group/invalid", () => validate(renewal, { groupInfo: current }));
  });

  it("a Welcome that is missing, not asked for, or for others", async () => {
    refused("group/invalid", () => validate(added, { welcome: undefined }));
    refused("group/invalid", () => validate(renewal, { welcome: added.welcome! }));
    const one = await rawCommit(state, {
      forcePath: true,
      extraProposals: [adding((await newKeyPackage()).keyPackage)],
    });
    refused("group/invalid", () => validate(added, { welcome: one.welcome! }));
    refused("group/invalid", () => validate(one, { welcome: added.welcome! }));
  });

  it("a Welcome with the tree in it, with secrets or a GroupInfo of another length", async () => {
    const extraProposals = [adding((await newKeyPackage()).keyPackage)];
    const withTree = await rawCommit(state, { forcePath: true, extraProposals, ratchetTreeExtension: true });
    refused("group/limit", () => validate(withTree));
    const welcome = readWelcome(added.welcome!);
    const changed = (change: Partial<typeof welcome>): Uint8Array =>
      writeMessage({ wireformat: "mls_welcome", welcome: { ...welcome, ...change } });
    validate(added, { welcome: changed({}) }); // control
    const { encryptedGroupInfo, secrets } = welcome;
    for (const length of [0, 16, encryptedGroupInfo.length - 1]) {
      const cut = changed({ encryptedGroupInfo: encryptedGroupInfo.subarray(0, length) });
      refused("group/invalid", () => validate(added, { welcome: cut }));
    }
    const sealed = (change: (one: HPKECiphertext) => Partial<HPKECiphertext>): Uint8Array =>
      changed({
        secrets: secrets.map(({ newMember, encryptedGroupSecrets: one }) => ({
          newMember,
          encryptedGroupSecrets: { ...one, ...change(one) },
        })),
      });
    for (const bytes of [
      sealed(({ ciphertext }) => ({ ciphertext: ciphertext.subarray(1) })),
      sealed(({ ciphertext }) => ({ ciphertext: Buffer.concat([ciphertext, Buffer.of(0)]) })),
      sealed(() => ({ kemOutput: new Uint8Array(32) })),
      changed({ secrets: [...secrets, secrets[0]!] }),
      changed({ secrets: secrets.slice(1) }),
      changed({ secrets: [secrets[0]!, secrets[0]!] }),
    ]) {
      refused("group/invalid", () => validate(added, { welcome: bytes }));
    }
  });

  it("a commit without a path", async () => {
    const pathless = await rawCommit(state, { extraProposals: [adding((await newKeyPackage()).keyPackage)] });
    refused("group/policy", () => validate(pathless));
    const commit = await resigned(state, renewal, (c) => ({ ...c, path: undefined }));
    refused("group/policy", () => validate(renewal, { commit }));
  });

  it("proposals other than Add and Remove by value, and authenticated data", async () => {
    const context = { proposalType: "group_context_extensions" as const, groupContextExtensions: { extensions: [] } };
    for (const proposal of [context, { proposalType: 0xf333, proposalData: Uint8Array.of(1, 2, 3) }]) {
      const commit = await resigned(state, renewal, (c) => ({
        ...c,
        proposals: [{ proposalOrRefType: "proposal", proposal }],
      }));
      refused("group/policy", () => validate(renewal, { commit }));
    }
    const reference = await resigned(state, renewal, (c) => ({
      ...c,
      proposals: [{ proposalOrRefType: "reference", reference: randomBytes(32) }],
    }));
    refused("group/proposals", () => validate(renewal, { commit: reference }));
    const spoken = await resigned(state, renewal, (c) => c, randomBytes(5));
    refused("group/policy", () => validate(renewal, { commit: spoken }));
  });

  it("an external commit", async () => {
    const keys = await newKeyPackage();
    const info = readGroupInfo(await world.clients[0]!.groupInfo());
    const { publicMessage } = await joinGroupExternal(
      info,
      readKeyPackage(keys.keyPackage),
      readPrivateKeys(keys.privateKeys),
      false,
      cipherSuite,
      undefined,
      clientConfig,
    );
    const commit = writeMessage({ wireformat: "mls_public_message", publicMessage });
    refused("group/policy", () => validate(renewal, { commit }));
  });

  it("a committer that becomes someone else", async () => {
    const own = state.ratchetTree[0];
    assert.ok(own?.nodeType === "leaf");
    const disguised = (leaf: Partial<LeafNode>): ClientState => ({
      ...state,
      ratchetTree: state.ratchetTree.map((node, x) =>
        x === 0 ? { nodeType: "leaf", leaf: { ...own.leaf, ...leaf } as LeafNode } : node,
      ),
    });
    const renamed = disguised({ credential: { credentialType: "basic", identity: randomBytes(16) } });
    const made = await rawCommit(renamed, { forcePath: true });
    refused("group/policy", () => validate(made));
    const rekeyed = await cipherSuite.signature.keygen();
    const other = await rawCommit(
      { ...disguised({ signaturePublicKey: rekeyed.publicKey }), signaturePrivateKey: rekeyed.signKey },
      { forcePath: true },
    );
    refused("group/invalid", () => validate(other));
    const unhandled = await rawCommit(state, {
      forcePath: true,
      leafNodeExtensions: [{ extensionType: QUEUE_HANDLE, extensionData: randomBytes(87) }],
    });
    refused("group/policy", () => validate(unhandled));
    const bare = await rawCommit(state, { forcePath: true, leafNodeExtensions: [] });
    refused("group/policy", () => validate(bare));
  });

  it("KeyPackages out of time, or of someone who is there already", async () => {
    refused("group/invalid", () => validate(added, { now: lifetime.notAfter + 1 }));
    refused("group/invalid", () => validate(added, { now: lifetime.notBefore - 1 }));
    validate(added, { now: lifetime.notAfter });
    const eternal = await makeKeyPackage({ ...identity(), notBefore: now - 1, notAfter: now + MAX_LIFETIME });
    const lasting = await rawCommit(state, { forcePath: true, extraProposals: [adding(eternal.keyPackage)] });
    refused("group/invalid", () => validate(lasting));
    // the library of the malicious member does not mind the same pseudonym twice
    const careless: ClientState = {
      ...state,
      clientConfig: {
        ...clientConfig,
        keyPackageEqualityConfig: { compareKeyPackages: () => false, compareKeyPackageToLeafNode: () => false },
      },
    };
    const { pseudonym } = world.clients[1]!.members()[3]!;
    const twin = await makeKeyPackage({ ...identity(), pseudonym, ...lifetime });
    const twins = await rawCommit(careless, { forcePath: true, extraProposals: [adding(twin.keyPackage)] });
    refused("group/policy", () => validate(twins));
  });

  it("leaves and lists that would fill the group's state", async () => {
    const { signKey, publicKey } = await cipherSuite.signature.keygen();
    const fat = async (entries: number, extensions: number): Promise<RawCommit> => {
      const { pseudonym, handle } = identity();
      const { publicPackage } = await generateKeyPackageWithKey(
        { credentialType: "basic", identity: pseudonym },
        {
          ...capabilities,
          extensions: [QUEUE_HANDLE, GROUP_POLICY, ...Array.from({ length: entries }, (_, i) => 0xf100 + i)],
        },
        { notBefore: BigInt(lifetime.notBefore), notAfter: BigInt(lifetime.notAfter) },
        Array.from({ length: extensions }, (_, i) => ({ extensionType: 0xf100 + i, extensionData: new Uint8Array(0) })),
        { signKey, publicKey },
        cipherSuite,
        leafExtensions(handle),
      );
      const extraProposals = [{ proposalType: "add" as const, add: { keyPackage: publicPackage } }];
      return rawCommit(state, { forcePath: true, extraProposals });
    };
    validate(await fat(MAX_CAPABILITIES - 2, 0)); // control
    for (const made of [await fat(MAX_CAPABILITIES - 1, 0), await fat(5000, 0), await fat(100, 100)]) {
      refused("group/limit", () => validate(made));
    }
  });

  it("more Adds than one commit may have", async () => {
    const adds = async (count: number): Promise<RawCommit> => {
      const packages = await Promise.all(Array.from({ length: count }, newKeyPackage));
      return rawCommit(state, { forcePath: true, extraProposals: packages.map((one) => adding(one.keyPackage)) });
    };
    validate(await adds(MAX_ADDS)); // control
    const more = await adds(MAX_ADDS + 1);
    refused("group/limit", () => validate(more));
  });

  it("a path longer than any, before it looks for a key of it in the tree", () => {
    const { content } = readPublicMessage(renewal.commit);
    assert.ok(content.contentType === "commit" && content.commit.path !== undefined);
    const { path } = content.commit;
    const looks = (length: number): number => {
      let count = 0;
      const tree = { holdsEncryptionKey: () => (count++, false) } as unknown as PublicTree;
      const nodes = Array.from({ length }, () => ({ hpkePublicKey: randomBytes(32), encryptedPathSecret: [] }));
      if (length > 10) refused("group/invalid", () => checkPathKeys(tree, { ...path, nodes }));
      else checkPathKeys(tree, { ...path, nodes });
      return count;
    };
    assert.deepEqual([looks(11), looks(5000), looks(10)], [0, 0, 11]);
  });

  it("a confirmation tag of another length at creation", async () => {
    const founder = (await World.create()).clients[0]!;
    const info = readGroupInfo(await founder.groupInfo());
    const { signaturePrivateKey } = rawState(founder);
    const tagged = async (length: number): Promise<Uint8Array> => {
      const changed = { ...info, confirmationTag: new Uint8Array(length) };
      const tbs = encode(groupInfoTBSEncoder)(changed);
      const signature = await signWithLabel(signaturePrivateKey, "GroupInfoTBS", tbs, cipherSuite.signature);
      return writeMessage({ wireformat: "mls_group_info", groupInfo: { ...changed, signature } });
    };
    PublicGroup.create(await tagged(32), senderKey, now); // control
    for (const length of [0, 31, 33, 9000]) {
      const bytes = await tagged(length);
      refused("group/invalid", () => PublicGroup.create(bytes, senderKey, now));
    }
  });

  it("a group to be created that is not new, or whose founder's leaf is out of time", async () => {
    const info = await world.clients[0]!.groupInfo();
    refused("group/policy", () => PublicGroup.create(info, senderKey, now));
    PublicGroup.fromGroupInfo(info, senderKey, now);
    const fresh = await World.create();
    const first = await fresh.clients[0]!.groupInfo();
    PublicGroup.create(first, senderKey, now);
    refused("group/invalid", () => PublicGroup.create(first, senderKey, now + 10 * 86_400));
    for (let i = 0; i < first.length; i++) {
      const flipped = first.slice();
      flipped[i]! ^= 1 << (i % 8);
      assert.throws(
        () => PublicGroup.create(flipped, senderKey, now),
        (error) => error instanceof Fault,
      );
    }
  });

  it("states that do not fit the buffer, and stored states that are no states", () => {
    refused("group/limit", () => world.server.encodeInto(Buffer.alloc(before_.length - 1)));
    // the tree is read when it is needed
    const read = (bytes: Uint8Array) => PublicGroup.decode(bytes).exportTree();
    for (let length = 0; length < before_.length; length++)
      refused("group/invalid", () => read(before_.subarray(0, length)));
    refused("group/invalid", () => read(Buffer.concat([before_, Buffer.alloc(1)])));
    refused("group/invalid", () => read(randomBytes(before_.length)));
    assert.deepEqual(stateOf(PublicGroup.decode(before_)), before_);
  });
});
