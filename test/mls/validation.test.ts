// Tree and commit rules one by one: each case changes one thing in what is otherwise valid.
import assert from "node:assert/strict";
import type { Node, RatchetTree } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import { Fault } from "../../src/fault.ts";
import { readPublicMessage } from "../../src/mls/messages.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { applyCommit, commitParts, type CommitParts } from "../../src/mls/validation-commit.ts";
import { checkAllUnique, checkTree } from "../../src/mls/validation-tree.ts";
import { rawState } from "./raw.ts";
import { newKeyPackage, now, World } from "./world.ts";

const refused = (work: () => unknown): void =>
  assert.throws(work, (error) => error instanceof Fault && error.code === "group/invalid");

/** Ten members, all parents filled, then leaf 3 taken again, so that it is unmerged at node 3 alone. */
async function grown(): Promise<World> {
  const world = await World.create();
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
  let parts: CommitParts;
  let withAdd: CommitParts;
  before(async () => {
    world = await grown();
    const [by] = world.clients;
    parts = commitParts(readPublicMessage((await by!.commit({ remove: [2], now })).commit));
    const { keyPackage } = await newKeyPackage();
    withAdd = commitParts(readPublicMessage((await by!.commit({ add: [keyPackage], now })).commit));
  });

  const apply = (changed: CommitParts): number[] => {
    const { groupContext } = rawState(world.clients[0]!);
    return applyCommit(PublicTree.from(world.server.exportTree()), changed, groupContext, now);
  };
  const pathNodes = (change: (nodes: CommitParts["path"]["nodes"]) => CommitParts["path"]["nodes"]): CommitParts => ({
    ...parts,
    path: { ...parts.path, nodes: change(parts.path.nodes.slice()) },
  });

  it("as they are, they apply", () => {
    assert.deepEqual(apply(parts), []);
    assert.deepEqual(apply(withAdd), [10]);
  });
  it("removes: of oneself, twice, of a blank leaf, of one outside, left out", () => {
    for (const removes of [[2, 0], [2, 2], [2, 13], [2, 4000], [2, -1], []])
      refused(() => apply({ ...parts, removes }));
  });
  it("adds: the same twice, one who is in the tree", () => {
    refused(() => apply({ ...withAdd, adds: [...withAdd.adds, ...withAdd.adds] }));
    const member = withAdd.adds[0]!;
    const inside = world.server.exportTree()[6];
    assert.ok(inside?.nodeType === "leaf" && inside.leaf.leafNodeSource === "key_package");
    refused(() => apply({ ...withAdd, adds: [{ ...member, leafNode: inside.leaf as typeof member.leafNode }] }));
  });
  it("the path: too short, too long, other keys, keys of the tree, the same twice, ciphertexts missing or of another size", () => {
    refused(() => apply(pathNodes((nodes) => nodes.slice(1))));
    refused(() => apply(pathNodes((nodes) => [...nodes, nodes[0]!])));
    refused(() => apply(pathNodes(([first, ...rest]) => [{ ...first!, hpkePublicKey: randomBytes(32) }, ...rest])));
    refused(() => apply(pathNodes(([first, ...rest]) => [{ ...first!, hpkePublicKey: randomBytes(31) }, ...rest])));
    const taken = world.server.exportTree()[3];
    assert.ok(taken?.nodeType === "parent");
    const { hpkePublicKey } = taken.parent;
    refused(() => apply(pathNodes(([first, ...rest]) => [{ ...first!, hpkePublicKey }, ...rest])));
    refused(() =>
      apply(
        pathNodes(([first, second, ...rest]) => [first!, { ...second!, hpkePublicKey: first!.hpkePublicKey }, ...rest]),
      ),
    );
    refused(() => apply(pathNodes(([first, ...rest]) => [{ ...first!, encryptedPathSecret: [] }, ...rest])));
    refused(() =>
      apply(
        pathNodes(([first, ...rest]) => [
          { ...first!, encryptedPathSecret: [...first!.encryptedPathSecret, ...first!.encryptedPathSecret] },
          ...rest,
        ]),
      ),
    );
    refused(() =>
      apply(
        pathNodes(([first, ...rest]) => [
          {
            ...first!,
            encryptedPathSecret: first!.encryptedPathSecret.map((c) => ({ ...c, ciphertext: randomBytes(49) })),
          },
          ...rest,
        ]),
      ),
    );
  });
  it("the leaf: of another place, of another commit, its signature, its parent hash", async () => {
    refused(() => apply({ ...parts, committer: 1 }));
    refused(() => apply({ ...parts, path: withAdd.path }));
    const { leafNode } = parts.path;
    const changed = (change: object): CommitParts => ({
      ...parts,
      path: { ...parts.path, leafNode: { ...leafNode, ...change } },
    });
    refused(() => apply(changed({ signature: randomBytes(64) })));
    refused(() => apply(changed({ parentHash: randomBytes(32) })));
    const own = world.server.exportTree()[0];
    assert.ok(own?.nodeType === "leaf");
    refused(() => apply(changed(own.leaf)));
  });
});
