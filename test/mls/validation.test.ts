// Tree and commit rules one by one: each case changes one thing in what is otherwise valid.
import assert from "node:assert/strict";
import type { ClientState, Commit, HPKECiphertext, KeyPackage, Node, RatchetTree, UpdatePath } from "ts-mls";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { signWithLabel } from "ts-mls/crypto/signature.js";
import { leafNodeTBSEncoder } from "ts-mls/leafNode.js";
import type { UpdatePathNode } from "ts-mls/updatePath.js";
import type { Sender } from "ts-mls/sender.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { Fault } from "../../src/fault.ts";
import { readKeyPackage, readPublicMessage } from "../../src/mls/messages.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { cipherSuite, GROUP_POLICY, QUEUE_HANDLE } from "../../src/mls/suite.ts";
import { stageCommit } from "../../src/mls/validation-commit.ts";
import { checkAllUnique, checkTree } from "../../src/mls/validation-tree.ts";
import { rawCommit, type RawCommit, rawState, resigned } from "./raw.ts";
import { newKeyPackage, now, World } from "./world.ts";

const refused = (work: () => unknown): void =>
  assert.throws(work, (error) => error instanceof Fault && error.code === "group/invalid");

/** Ten members, all parents filled, then leaf 3 taken again, so that it is unmerged at node 3 alone. */
async function grown(): Promise<World> {
  const world = await World.create({ membersMayAdd: true, connection: false });
  await world.commit(world.clients[0]!, 9);
  for (let i = 0; i < world.clients.length; i++) await world.commit(world.clients[i]!);
  await world.commit(world.clients[0]!, 0, [world.clients[3]!]);
  await world.commit(world.clients[0]!);
  await world.commit(world.clients.at(-1)!, 1);
  return world;
}

describe("tree rules", () => {
  let nodes: (Node | undefined)[];
  before(async () => {
    nodes = (await grown()).server.exportTree();
  });

  const check = (change: (nodes: (Node | undefined)[]) => void = () => {}): void => {
    const copy = nodes.slice();
    change(copy);
    checkTree(PublicTree.from(copy));
  };
  const parentWith = (x: number, change: object) => (tree: (Node | undefined)[]) => {
    const node = tree[x];
    assert.ok(node?.nodeType === "parent");
    tree[x] = { nodeType: "parent", parent: { ...node.parent, ...change } };
  };
  const leafWith = (index: number, change: object) => (tree: (Node | undefined)[]) => {
    const node = tree[2 * index];
    assert.ok(node?.nodeType === "leaf");
    tree[2 * index] = { nodeType: "leaf", leaf: { ...node.leaf, ...change } };
  };

  it("a tree with an unmerged leaf in one parent only is valid", () => {
    check();
    const node = nodes[3];
    assert.ok(node?.nodeType === "parent");
    assert.deepEqual(node.parent.unmergedLeaves, [3]);
    const root = nodes[15];
    assert.ok(root?.nodeType === "parent");
    assert.deepEqual(root.parent.unmergedLeaves, []);
  });
  it("unmerged leaves: blank, foreign, outside, twice, not in order, not listed between", () => {
    for (const unmergedLeaves of [[], [1], [3, 12], [3, 3], [3, 1], [3, 4], [3, 77_777], [3, 2 ** 32 - 1]]) {
      refused(() => check(parentWith(3, { unmergedLeaves })));
    }
    // leaf 1 at the root, but not at node 3 between them
    refused(() => check(parentWith(15, { unmergedLeaves: [1] })));
  });
  it("parent hashes: of a parent, of a leaf, over a changed sibling, of a parent nobody committed", () => {
    refused(() => check(parentWith(3, { parentHash: randomBytes(32) })));
    refused(() => check(leafWith(0, { parentHash: randomBytes(32) })));
    refused(() => check(parentWith(3, { hpkePublicKey: randomBytes(32) })));
    refused(() =>
      check((tree) => {
        const parent = { hpkePublicKey: randomBytes(32), parentHash: new Uint8Array(0), unmergedLeaves: [] };
        const blank = tree.findIndex((node, x) => node === undefined && x % 2 === 1 && x < 15);
        assert.notEqual(blank, -1);
        tree[blank] = { nodeType: "parent", parent };
      }),
    );
  });
  it("the same key or pseudonym twice", () => {
    const other = nodes[8];
    assert.ok(other?.nodeType === "leaf");
    const { hpkePublicKey, signaturePublicKey, credential } = other.leaf;
    // alone, since any change of a leaf is also a change that some parent hash covers
    const unique = (change: (nodes: (Node | undefined)[]) => void): void => {
      const copy = nodes.slice();
      change(copy);
      checkAllUnique(PublicTree.from(copy));
    };
    refused(() => unique(leafWith(3, { hpkePublicKey })));
    refused(() => unique(leafWith(3, { signaturePublicKey })));
    refused(() => unique(leafWith(3, { credential })));
    refused(() => unique(parentWith(3, { hpkePublicKey })));
    unique(parentWith(3, { hpkePublicKey: randomBytes(32) })); // control: fresh ones pass
    unique(leafWith(3, { hpkePublicKey: randomBytes(32), signaturePublicKey: randomBytes(32) }));
  });
  it("a leaf where a parent stands, and trees beyond the bound", () => {
    refused(() => check((tree) => (tree[3] = tree[0])));
    refused(() => check((tree) => (tree[4] = tree[3])));
    const wide = [...nodes, ...Array.from({ length: 2050 }, () => undefined)] as RatchetTree;
    assert.throws(() => PublicTree.from(wide), { code: "group/limit" });
  });
});

describe("commit rules", () => {
  let world: World;
  let state: ClientState;
  let removing: RawCommit;
  let adding: RawCommit;
  before(async () => {
    world = await grown();
    state = rawState(world.clients[0]!);
    removing = await rawCommit(state, { extraProposals: [{ proposalType: "remove", remove: { removed: 2 } }] });
    const keyPackage = readKeyPackage((await newKeyPackage()).keyPackage);
    adding = await rawCommit(state, {
      forcePath: true,
      extraProposals: [{ proposalType: "add", add: { keyPackage } }],
    });
  });

  /** What the rules make of a commit whose content was changed and signed anew. */
  const apply = async (made: RawCommit, change: (commit: Commit) => Commit = (c) => c, as?: Sender) => {
    const message = readPublicMessage(await resigned(state, made, change, undefined, as));
    const tree = PublicTree.from(world.server.exportTree());
    return stageCommit(tree, message, { context: state.groupContext, pending: [] }, now);
  };
  const fails = (made: RawCommit, change: (commit: Commit) => Commit, code = "group/invalid"): Promise<void> =>
    assert.rejects(apply(made, change), (error) => error instanceof Fault && error.code === code);
  const removes =
    (...leaves: number[]) =>
    (commit: Commit) => ({
      ...commit,
      proposals: leaves.map((removed) => ({
        proposalOrRefType: "proposal" as const,
        proposal: { proposalType: "remove" as const, remove: { removed } },
      })),
    });
  const path = (change: (path: UpdatePath) => UpdatePath) => (commit: Commit) => ({
    ...commit,
    path: change(commit.path!),
  });
  const nodes = (change: (nodes: UpdatePathNode[]) => UpdatePathNode[]) =>
    path((p) => ({ ...p, nodes: change(p.nodes.slice()) }));
  const leaf = (change: object) => path((p) => ({ ...p, leafNode: { ...p.leafNode, ...change } }));

  it("as they are, they apply", async () => {
    const removed = await apply(removing);
    assert.deepEqual([removed.added, removed.removed], [[], [{ leaf: 2, byReference: false }]]);
    assert.deepEqual((await apply(adding)).added, [10]);
  });
  it("removes: of oneself, twice, of a blank leaf, of one outside, left out", async () => {
    for (const leaves of [[2, 0], [2, 2], [2, 13], [2, 4000], [2, 2 ** 32 - 1], []])
      await fails(removing, removes(...leaves));
    await apply(removing, removes(2)); // control
  });
  it("adds: the same twice, one who is in the tree, keys of small order", async () => {
    await fails(adding, (c) => ({ ...c, proposals: [...c.proposals, ...c.proposals] }));
    const replaced = (change: (keyPackage: KeyPackage) => KeyPackage) => (c: Commit) => ({
      ...c,
      proposals: c.proposals.map((entry) => {
        assert.ok(entry.proposalOrRefType === "proposal" && entry.proposal.proposalType === "add");
        const { keyPackage } = entry.proposal.add;
        return {
          proposalOrRefType: "proposal" as const,
          proposal: { proposalType: "add" as const, add: { keyPackage: change(keyPackage) } },
        };
      }),
    });
    await apply(
      adding,
      replaced((k) => k),
    ); // control
    const inside = world.server.exportTree()[6];
    assert.ok(inside?.nodeType === "leaf" && inside.leaf.leafNodeSource === "key_package");
    const { leaf: leafNode } = inside;
    await fails(
      adding,
      replaced((k) => ({ ...k, leafNode })),
    );
    await fails(
      adding,
      replaced((k) => ({ ...k, initKey: new Uint8Array(32) })),
    );
    await fails(
      adding,
      replaced((k) => ({ ...k, initKey: k.leafNode.hpkePublicKey })),
    );
    await fails(
      adding,
      replaced((k) => ({ ...k, signature: randomBytes(64) })),
    );
  });
  it("the path: too short, too long, other keys, keys of the tree, the same twice, keys that cannot be used", async () => {
    const first = (change: Partial<UpdatePathNode>) => nodes(([node, ...rest]) => [{ ...node!, ...change }, ...rest]);
    await fails(
      removing,
      nodes((list) => list.slice(1)),
    );
    await fails(
      removing,
      nodes((list) => [...list, list[0]!]),
    );
    await fails(removing, first({ hpkePublicKey: randomBytes(32) }));
    await fails(removing, first({ hpkePublicKey: randomBytes(31) }));
    await fails(removing, first({ hpkePublicKey: new Uint8Array(32) }));
    const taken = world.server.exportTree()[3];
    assert.ok(taken?.nodeType === "parent");
    await fails(removing, first({ hpkePublicKey: taken.parent.hpkePublicKey }));
    await fails(
      removing,
      nodes(([a, b, ...rest]) => [a!, { ...b!, hpkePublicKey: a!.hpkePublicKey }, ...rest]),
    );
  });
  it("the path's ciphertexts: missing, one more, of another size, with an output nobody can use", async () => {
    const sealed = (change: (list: HPKECiphertext[]) => HPKECiphertext[]) =>
      nodes(([node, ...rest]) => [{ ...node!, encryptedPathSecret: change(node!.encryptedPathSecret) }, ...rest]);
    await apply(
      removing,
      sealed((list) => list.map((one) => ({ ...one, ciphertext: randomBytes(48) }))),
    ); // control
    await fails(
      removing,
      sealed(() => []),
    );
    await fails(
      removing,
      sealed((list) => [...list, ...list]),
    );
    await fails(
      removing,
      sealed((list) => list.map((one) => ({ ...one, ciphertext: randomBytes(49) }))),
    );
    await fails(
      removing,
      sealed((list) => list.map((one) => ({ ...one, kemOutput: randomBytes(33) }))),
    );
    await fails(
      removing,
      sealed((list) => list.map((one) => ({ ...one, kemOutput: new Uint8Array(32) }))),
    );
  });
  it("the leaf: of another place, of another commit, its signature", async () => {
    await assert.rejects(
      apply(removing, (c) => c, { senderType: "member", leafIndex: 1 }),
      { code: "group/invalid" },
    );
    const { content } = adding.message;
    assert.ok(content.contentType === "commit");
    await fails(removing, (c) => ({ ...c, path: content.commit.path }));
    await fails(removing, leaf({ signature: randomBytes(64) }));
    const own = world.server.exportTree()[0];
    assert.ok(own?.nodeType === "leaf");
    await fails(removing, leaf(own.leaf));
    await fails(removing, leaf({ leafNodeSource: "key_package", lifetime: { notBefore: 0n, notAfter: 1n } }));
  });
  it("the leaf, well signed: its parent hash, its own old key, a key that cannot be used, what it says it can do", async () => {
    const { content } = removing.message;
    assert.ok(content.contentType === "commit");
    const original = content.commit.path!.leafNode;
    const resignedLeaf = async (change: Partial<typeof original>) => {
      const changed = { ...original, ...change };
      const tbs = encode(leafNodeTBSEncoder)({ ...changed, groupId: state.groupContext.groupId, leafIndex: 0 });
      const { signature } = cipherSuite;
      return leaf({
        ...changed,
        signature: await signWithLabel(state.signaturePrivateKey, "LeafNodeTBS", tbs, signature),
      });
    };
    await apply(removing, await resignedLeaf({})); // control
    const own = world.server.exportTree()[0];
    assert.ok(own?.nodeType === "leaf");
    const { capabilities: can, extensions } = original;
    const faults: [Partial<typeof original>, string?][] = [
      [{ parentHash: randomBytes(32) }],
      [{ parentHash: new Uint8Array(0) }],
      [{ hpkePublicKey: own.leaf.hpkePublicKey }],
      [{ hpkePublicKey: new Uint8Array(32) }],
      [{ hpkePublicKey: randomBytes(33) }],
      [{ capabilities: { ...can, versions: [] } }],
      [{ capabilities: { ...can, ciphersuites: [] } }],
      [{ capabilities: { ...can, credentials: ["x509"] } }],
      [{ capabilities: { ...can, extensions: [QUEUE_HANDLE] } }],
      [{ capabilities: { ...can, extensions: [GROUP_POLICY] } }],
      [{ extensions: [] }, "group/policy"],
      [{ extensions: [...extensions, ...extensions] }, "group/policy"],
      [{ extensions: [{ extensionType: QUEUE_HANDLE, extensionData: randomBytes(87) }] }, "group/policy"],
      [{ credential: { credentialType: "basic", identity: randomBytes(16) } }, "group/policy"],
      [{ credential: { credentialType: "basic", identity: randomBytes(17) } }, "group/policy"],
    ];
    for (const [change, code] of faults) await fails(removing, await resignedLeaf(change), code);
  });
});
