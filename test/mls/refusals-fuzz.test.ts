// Mutated messages and states: whatever arrives, the answer is a fault of the group's, never an error of the library.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { newKeyPackage, now, senderKey, signAsHouse, World } from "./world.ts";

/** Where, how many bytes go, and what comes in their place. */
const mutation = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 5 }), fc.uint8Array({ maxLength: 5 }));
const mutate = (bytes: Uint8Array, mutations: readonly [number, number, Uint8Array][]): Uint8Array =>
  mutations.reduce((before, [at, gone, added]) => {
    const start = at % (before.length + 1);
    return Uint8Array.from([...before.subarray(0, start), ...added, ...before.subarray(start + gone)]);
  }, bytes);
const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });

describe("mutated", () => {
  let server: PublicGroup;
  let state: Buffer;
  let messages: [name: string, bytes: Uint8Array, take: (bytes: Uint8Array) => unknown][];
  before(async () => {
    const world = await World.create();
    await world.commit(world.clients[0]!, 3);
    ({ server } = world);
    const proposed = server.proposeRemoval(3, signAsHouse).next;
    state = Buffer.alloc(proposed.encodedLength);
    proposed.encodeInto(state);
    const [first, second] = world.clients;
    const { keyPackage } = await newKeyPackage();
    const policy = { membersMayAdd: true };
    const { commit, groupInfo, welcome, recovery } = await first!.commit({
      add: [keyPackage],
      remove: [2],
      policy,
      now,
    });
    const given = { commit, groupInfo, welcome, recovery, now };
    const resync = await second!.resync({ ...world.offer, now });
    const { proposal } = await second!.leave();
    const founder = (await World.create()).server.groupInfo;
    messages = [
      ["commit", commit, (bytes) => server.validateCommit({ ...given, commit: bytes })],
      ["GroupInfo", groupInfo, (bytes) => server.validateCommit({ ...given, groupInfo: bytes })],
      ["Welcome", welcome!, (bytes) => server.validateCommit({ ...given, welcome: bytes })],
      ["recovery", recovery, (bytes) => server.validateCommit({ ...given, recovery: bytes })],
      ["resync", resync.commit, (bytes) => server.validateResync({ ...resync, commit: bytes, leaf: 1, now })],
      ["leave", proposal, (bytes) => server.validateLeave(bytes, 1)],
      ["founder's GroupInfo", founder, (bytes) => PublicGroup.create(bytes, senderKey, now)],
    ];
  });

  const onlyFaults = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof Fault && error.code.startsWith("group/"), String(error));
    }
  };

  it("messages", () => {
    for (const [name, bytes, take] of messages) {
      assert.doesNotThrow(() => take(bytes), name); // control
      fc.assert(
        fc.property(mutations, (list) => onlyFaults(() => take(mutate(bytes, list)))),
        { numRuns: 150 },
      );
    }
  });

  it("states, and everything they are asked for", () => {
    const use = (bytes: Uint8Array): void => {
      const group = PublicGroup.decode(Buffer.from(bytes));
      for (const [index] of group.entries()) group.leaf(index);
      assert.ok(Array.from(group.handles()).length === group.memberCount);
      assert.ok(group.policy.admins.length > 0 && group.pending.length <= 1000 && group.treeLength >= 0);
      group.exportTree();
    };
    use(state); // control
    fc.assert(
      fc.property(mutations, (list) => onlyFaults(() => use(mutate(state, list)))),
      { numRuns: 300 },
    );
  });
});
