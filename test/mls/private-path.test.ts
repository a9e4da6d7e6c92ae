// The private keys a member keeps: those of its own path in the tree of now, and no older ones.
import assert from "node:assert/strict";
import type { ClientState } from "ts-mls";
import { checkPrivatePath, withoutStaleKeys } from "../../src/mls/private-path.ts";
import { directPath } from "../../src/mls/tree-math.ts";
import { rawCommit, rawState } from "./raw.ts";
import { World } from "./world.ts";

const keysOf = ({ privatePath }: ClientState): number[] => Object.keys(privatePath.privateKeys).map(Number);
/** Nodes whose key the state has though they are blank or do not know its leaf. */
const stale = (state: ClientState): number[] =>
  keysOf(state).filter((x) => {
    const node = state.ratchetTree[x];
    const unmerged = node?.nodeType === "parent" ? node.parent.unmergedLeaves : [];
    return node === undefined || unmerged.includes(state.privatePath.leafIndex);
  });

describe("private keys of the path", function () {
  this.timeout(20_000);
  let world: World;
  before(async () => {
    world = await World.create();
    await world.step(world.clients[0]!, { joiners: 7 });
    for (const i of [0, 2, 4, 6]) await world.step(world.clients[i]!);
  });

  it("go with their nodes, for who commits and for who receives", async () => {
    const state = rawState(world.clients[4]!);
    assert.deepEqual(
      keysOf(state).toSorted((a, b) => a - b),
      [8, ...directPath(8, state.ratchetTree.length)].toSorted((a, b) => a - b),
    );
    // leaf 5 goes: node 9 above it and leaf 4 is blank now, and nobody but leaf 4 itself could fill it
    await world.step(world.clients[0]!, { remove: [world.clients[5]!] });
    const after = rawState(world.clients[4]!);
    assert.equal(after.ratchetTree[9], undefined);
    for (const client of world.clients) assert.deepEqual(stale(rawState(client)), []);
    assert.equal(keysOf(after).includes(9), false);
    checkPrivatePath(after);
  });

  it("control: the library keeps them", async () => {
    const state = rawState(world.clients[0]!);
    const extraProposals = [{ proposalType: "remove" as const, remove: { removed: 1 } }];
    const { next } = await rawCommit(state, { forcePath: true, extraProposals });
    const { privateKeys } = next.privatePath;
    const more = { ...next, privatePath: { leafIndex: 0, privateKeys: { ...privateKeys, 9: privateKeys[0]! } } };
    assert.deepEqual(stale(more).includes(9), true);
    assert.deepEqual(stale(withoutStaleKeys(more)), []);
    // leaf 0's node 1 has nobody else below it any more
    assert.equal(next.ratchetTree[1], undefined);
    assert.equal(keysOf(next).includes(1), true);
    assert.equal(keysOf(withoutStaleKeys(next)).includes(1), false);
  });
});
