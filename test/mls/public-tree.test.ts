// The server's tree against the library's own tree functions, step by step through random histories.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { LeafNode, RatchetTree } from "ts-mls";
import { addLeafNode, encodeRatchetTree, removeLeafNode, resolution } from "ts-mls/ratchetTree.js";
import { treeHashRoot } from "ts-mls/treeHash.js";
import { applyUpdatePath } from "ts-mls/updatePath.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { Fault } from "../../src/fault.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { capabilities, cipherSuite, QUEUE_HANDLE } from "../../src/mls/suite.ts";
import { checkTree } from "../../src/mls/validation-tree.ts";

const common = (leaf?: LeafNode) => ({
  hpkePublicKey: randomBytes(32),
  signaturePublicKey: leaf?.signaturePublicKey ?? randomBytes(32),
  credential: leaf?.credential ?? { credentialType: "basic" as const, identity: randomBytes(16) },
  capabilities,
  extensions: [{ extensionType: QUEUE_HANDLE, extensionData: randomBytes(88) }],
  signature: randomBytes(64),
});
const newLeaf = (): LeafNode => ({
  ...common(),
  leafNodeSource: "key_package",
  lifetime: { notBefore: 0n, notAfter: 1n },
});

interface Pair {
  readonly ours: PublicTree;
  readonly theirs: RatchetTree;
}

const encoded = (tree: PublicTree): Buffer => {
  const out = Buffer.alloc(tree.encodedLength + 3, 0xee);
  assert.equal(tree.encodeInto(out, 3), out.length);
  return out.subarray(3);
};
const hashes = (tree: PublicTree): Buffer => {
  const out = Buffer.alloc(tree.hashesLength);
  assert.equal(tree.hashesInto(out, 0), out.length);
  return out;
};
const reopened = (tree: PublicTree): PublicTree => PublicTree.open(encoded(tree), hashes(tree));
const founded = (): Pair => {
  const theirs: RatchetTree = [{ nodeType: "leaf", leaf: newLeaf() }];
  return { ours: PublicTree.from(theirs), theirs };
};

async function assertSame({ ours, theirs }: Pair): Promise<void> {
  assert.deepEqual(ours.treeHash(), Buffer.from(await treeHashRoot(theirs, cipherSuite.hash)));
  assert.deepEqual(encoded(ours), Buffer.from(encodeRatchetTree(theirs)));
}

/** Members, resolutions and key lookups, as one reads them off the library's nodes. */
function assertSameViews({ ours, theirs }: Pair): void {
  let members = 0;
  theirs.forEach((node, x) => {
    assert.equal(ours.isBlank(x), node === undefined);
    assert.deepEqual(ours.resolution(x), resolution(theirs, x as never));
    if (node === undefined) return;
    const key = node.nodeType === "leaf" ? node.leaf.hpkePublicKey : node.parent.hpkePublicKey;
    assert.ok(ours.holdsEncryptionKey(key));
    if (node.nodeType === "parent") return assert.deepEqual(ours.parent(x)?.unmergedLeaves, node.parent.unmergedLeaves);
    members++;
    assert.ok(ours.holdsSignatureKey(node.leaf.signaturePublicKey));
    assert.ok("identity" in node.leaf.credential);
    assert.equal(ours.leafOf(node.leaf.credential.identity), x / 2);
  });
  assert.equal(ours.memberCount, members);
}

const membersOf = (theirs: RatchetTree): number[] =>
  theirs.flatMap((node, x) => (node?.nodeType === "leaf" ? [x / 2] : []));

const add = ({ ours, theirs }: Pair): Pair => {
  const leaf = newLeaf();
  const staged = ours.clone();
  const [after, x] = addLeafNode(theirs, leaf);
  assert.equal(staged.add(leaf), x / 2);
  return { ours: staged, theirs: after };
};

const remove = ({ ours, theirs }: Pair, leaf: number): Pair => {
  const staged = ours.clone();
  const gone = ours.leaf(leaf);
  staged.remove(leaf);
  assert.ok(gone && !staged.holdsEncryptionKey(gone.hpkePublicKey));
  assert.ok(!staged.holdsSignatureKey(gone.signaturePublicKey));
  return { ours: staged, theirs: removeLeafNode(theirs, leaf as never) };
};

/** The library checks the parent hash that our leaf carries, against its own. */
const update = async ({ ours, theirs }: Pair, index: number): Promise<Pair> => {
  const staged = ours.clone();
  const steps = staged.filteredDirectPath(index);
  const keys = steps.map(() => randomBytes(32));
  const parentHash = staged.mergePath(index, steps, keys);
  const leaf = { ...common(ours.leaf(index)), leafNodeSource: "commit" as const, parentHash };
  staged.setLeaf(index, leaf);
  const nodes = keys.map((hpkePublicKey) => ({ hpkePublicKey, encryptedPathSecret: [] }));
  const after = await applyUpdatePath(theirs, index as never, { leafNode: leaf, nodes }, cipherSuite.hash);
  return { ours: staged, theirs: after };
};

type Step = readonly [kind: "add" | "remove" | "update", which: number, reopen: boolean];

async function take(pair: Pair, [kind, which, reopen]: Step): Promise<Pair> {
  const members = membersOf(pair.theirs);
  const leaf = members[which % members.length]!;
  const before = [Buffer.from(pair.ours.treeHash()), encoded(pair.ours)];
  const next =
    kind === "update"
      ? await update(pair, leaf)
      : kind === "remove" && members.length > 1
        ? remove(pair, leaf)
        : add(pair);
  await assertSame(next);
  // the tree it was staged from is as it was
  assert.deepEqual([pair.ours.treeHash(), encoded(pair.ours)], before);
  return reopen ? { ...next, ours: reopened(next.ours) } : next;
}

const steps = (size: fc.SizeForArbitrary): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.tuple(
      fc.constantFrom("add", "add", "add", "remove", "remove", "update", "update"),
      fc.nat(1 << 16),
      fc.boolean(),
    ),
    { minLength: 1, maxLength: 60, size },
  );

describe("public tree", function () {
  this.timeout(60_000);

  it("has the library's tree hash, parent hashes and encoding after every step of random histories", async () => {
    await fc.assert(
      fc.asyncProperty(steps("max"), async (list) => {
        let pair = founded();
        for (const step of list) pair = await take(pair, step);
        assertSameViews(pair);
        checkTree(pair.ours);
      }),
      { numRuns: 40 },
    );
  });

  it("control: a stale hash in what was stored is seen", async () => {
    let pair = founded();
    for (let i = 0; i < 9; i++) pair = add(pair);
    pair = await update(pair, 3);
    for (const node of [3, 9, 11, 23]) {
      const stored = hashes(pair.ours);
      stored[((node - 1) / 2) * 32]! ^= 1;
      const stale = { ...pair, ours: PublicTree.open(encoded(pair.ours), stored) };
      await assertSame(await update({ ...pair, ours: reopened(pair.ours) }, 6));
      const changed = async () => assertSame(await update(stale, 6));
      if (node === 11) await changed(); // on the path: it is made again
      else await assert.rejects(changed);
    }
  });

  it("shrinks and grows again without what it lost", async () => {
    let pair = founded();
    for (let i = 0; i < 16; i++) pair = add(pair);
    for (let i = 0; i < 17; i++) pair = await update(pair, i);
    pair = { ...pair, ours: reopened(pair.ours) };
    for (let leaf = 16; leaf > 1; leaf--) pair = remove(pair, leaf);
    assert.equal(pair.ours.size, 3);
    await assertSame(pair);
    for (let i = 0; i < 20; i++) pair = add(pair);
    await assertSame(pair);
    assertSameViews(pair);
  });

  it("opens bytes of any kind or refuses them with a fault", async () => {
    let pair = founded();
    for (let i = 0; i < 6; i++) pair = add(pair);
    pair = await update(pair, 2);
    pair = add(pair);
    const [nodes, kept] = [encoded(pair.ours), hashes(pair.ours)];
    let opened = 0;
    const use = (bytes: Buffer): void => {
      try {
        const tree = PublicTree.open(bytes, kept);
        opened++;
        tree.export();
        tree.holdsEncryptionKey(randomBytes(32));
        tree.leafOf(randomBytes(16));
        tree.resolution(tree.root);
        tree.remove(1);
        tree.add(newLeaf());
        tree.mergePath(0, tree.filteredDirectPath(0), [randomBytes(32), randomBytes(32), randomBytes(32)]);
        tree.treeHash();
        encoded(tree);
      } catch (error) {
        assert.ok(error instanceof Fault && error.code.startsWith("group/"), String(error));
      }
    };
    for (let at = 0; at < nodes.length; at++) {
      use(nodes.subarray(0, at));
      for (const flip of [0x01, 0xc0]) {
        const bytes = Buffer.from(nodes);
        bytes[at]! ^= flip;
        use(bytes);
      }
    }
    assert.ok(opened > 0); // most flips change a key or a signature and nothing else
    assert.throws(() => PublicTree.open(nodes, kept.subarray(1)), { code: "group/invalid" });
    const tooMany = Buffer.concat([Buffer.from("900100000000", "hex").subarray(0, 4), Buffer.alloc(1 << 16)]);
    tooMany.writeUInt32BE((0x80000000 | (1 << 16)) >>> 0);
    assert.throws(() => PublicTree.open(tooMany, kept), { code: "group/limit" });
  });

  it("wipes what it computed, and nothing that it was given", async () => {
    let pair = founded();
    for (let i = 0; i < 4; i++) pair = add(pair);
    pair = { ...pair, ours: reopened(pair.ours) };
    const taken: Buffer[] = [];
    const [nodes, kept] = [encoded(pair.ours), hashes(pair.ours)];
    const copies = [Buffer.from(nodes), Buffer.from(kept)];
    const tree = PublicTree.open(nodes, kept, (size) => {
      const memory = Buffer.alloc(size);
      taken.push(memory);
      return memory;
    });
    const staged = (await update({ ...pair, ours: tree }, 1)).ours;
    staged.treeHash();
    assert.ok(taken.some((memory) => memory.some((byte) => byte !== 0))); // control
    staged.wipe();
    tree.wipe();
    assert.ok(taken.every((memory) => memory.every((byte) => byte === 0)));
    assert.deepEqual([nodes, kept], copies);
  });
});
