// The roster against a plain map of its members, and what a commit and a change of handle do to it.
import assert from "node:assert/strict";
import fc from "fast-check";
import { addLeafNode } from "ts-mls/ratchetTree.js";
import type { LeafNode, RatchetTree } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import { type PublicLeaf, Roster } from "../../src/mls/public-roster.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { capabilities, QUEUE_HANDLE } from "../../src/mls/suite.ts";

const leafWith = (handle: Uint8Array, old?: LeafNode): LeafNode => ({
  hpkePublicKey: randomBytes(32),
  signaturePublicKey: old?.signaturePublicKey ?? randomBytes(32),
  credential: old?.credential ?? { credentialType: "basic", identity: randomBytes(16) },
  capabilities,
  extensions: [{ extensionType: QUEUE_HANDLE, extensionData: handle }],
  signature: randomBytes(64),
  leafNodeSource: "commit",
  parentHash: new Uint8Array(0),
});

function grown(count: number): PublicTree {
  let tree: RatchetTree = [{ nodeType: "leaf", leaf: leafWith(randomBytes(88)) }];
  for (let i = 1; i < count; i++) [tree] = addLeafNode(tree, leafWith(randomBytes(88)));
  return PublicTree.from(tree);
}

const reopened = (roster: Roster): Roster => {
  const bytes = Buffer.alloc(roster.encodedLength + 5);
  assert.equal(roster.encodeInto(bytes, 2), bytes.length - 3);
  const [again, length] = Roster.open(bytes.subarray(2));
  assert.equal(length, roster.encodedLength);
  return again;
};

function assertSame(roster: Roster, expected: ReadonlyMap<number, PublicLeaf>): void {
  const list = [...expected].sort(([a], [b]) => a - b);
  assert.equal(roster.size, list.length);
  assert.deepEqual([...roster.entries()], list);
  assert.deepEqual(
    [...roster.handles()],
    list.map(([index, { handle }]) => [index, handle]),
  );
  assert.deepEqual(
    [...roster.pseudonyms()],
    list.map(([index, { pseudonym }]) => [index, pseudonym]),
  );
  for (const [index, leaf] of list) {
    assert.deepEqual(roster.leaf(index), leaf);
    assert.equal(roster.leafOf(leaf.signaturePublicKey), index);
  }
  assert.equal(roster.leaf(1 << 15), undefined);
  assert.equal(roster.leafOf(randomBytes(32)), undefined);
}

describe("roster", () => {
  it("holds who is in the tree through random commits, changes and restarts", () => {
    const steps = fc.array(fc.tuple(fc.constantFrom("commit", "handle", "month", "reopen"), fc.nat(999), fc.nat(3)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(steps, (list) => {
        let tree = grown(3);
        let roster = Roster.of(tree, 7);
        let expected = new Map(roster.entries());
        for (const [kind, which, count] of list) {
          const members = [...expected.keys()];
          const index = members[which % members.length]!;
          const known = expected.get(index)!;
          if (kind === "reopen") roster = reopened(roster);
          else if (kind === "month") {
            roster = roster.with(index, { month: which });
            expected.set(index, { ...known, month: which });
          } else if (kind === "handle") {
            const handle = randomBytes(88);
            roster = roster.with(index, { handle });
            expected.set(index, { ...known, handle });
          } else {
            const removed = members.filter((one) => one !== index && (one + which) % 5 === 0);
            const after = tree.clone();
            for (const one of removed) after.remove(one);
            const added = Array.from({ length: count }, () => after.add(leafWith(randomBytes(88))));
            const handle = randomBytes(88);
            after.setLeaf(index, leafWith(handle, tree.leaf(index)));
            const unchanged = [...expected].filter(([one]) => !removed.includes(one));
            roster = roster.next(tree, after, { committer: index, added, removed }, which);
            const fresh = Roster.of(after, which);
            expected = new Map(unchanged);
            for (const one of [...added, index]) expected.set(one, fresh.leaf(one)!);
            tree = after;
          }
        }
        assertSame(roster, expected);
        assertSame(reopened(roster), expected);
      }),
    );
  });

  it("keeps the house's handle of a committer until its leaf carries another one", () => {
    const tree = grown(4);
    const handle = randomBytes(88);
    const roster = Roster.of(tree, 1).with(2, { handle });
    const before = tree.leaf(2)!;
    const change = { committer: 2, added: [], removed: [] };
    const same = tree.clone();
    same.setLeaf(2, leafWith(before.extensions[0]!.extensionData, before));
    assert.deepEqual(roster.next(tree, same, change, 9).leaf(2), { ...roster.leaf(2), month: 9 });
    const other = tree.clone();
    const fresh = randomBytes(88);
    other.setLeaf(2, leafWith(fresh, before));
    assert.deepEqual(roster.next(tree, other, change, 9).leaf(2)?.handle, fresh);
    // another member in the same place inherits nothing
    const stranger = tree.clone();
    const leaf = leafWith(before.extensions[0]!.extensionData);
    stranger.setLeaf(2, leaf);
    const next = roster.next(tree, stranger, { committer: 0, added: [2], removed: [2] }, 9);
    assert.deepEqual(next.leaf(2)?.handle, leaf.extensions[0]!.extensionData);
  });

  it("refuses what is too short, members who are not there, handles of another size", () => {
    const roster = Roster.of(grown(3), 1);
    const bytes = Buffer.alloc(roster.encodedLength);
    roster.encodeInto(bytes, 0);
    assert.equal(Roster.open(bytes)[0].size, 3); // control
    for (const short of [bytes.subarray(0, -1), bytes.subarray(0, 1), Buffer.alloc(0)]) {
      assert.throws(() => Roster.open(short), { code: "group/invalid" });
    }
    assert.throws(() => roster.with(3, { month: 1 }), { code: "group/invalid" });
    assert.throws(() => roster.with(1, { handle: Buffer.alloc(87) }), { code: "group/policy" });
  });
});
