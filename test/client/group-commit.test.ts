import assert from "node:assert/strict";
import fc from "fast-check";
import { inCommits, type Change } from "../../src/client/group-commit.ts";
import type { Claimed } from "../../src/client/key-packages.ts";
import { MAX_ADDS } from "../../src/mls/suite.ts";

const many = (count: number): Claimed[] =>
  Array.from({ length: count }, (_, i) => ({ keyPackage: Buffer.alloc(4, i) }) as unknown as Claimed);

describe("client/group-commit", () => {
  it("leaves a change as it is that fits into one commit", () => {
    const changes: Change[] = [{}, { add: [] }, { ends: true }, { add: many(MAX_ADDS), remove: [Buffer.alloc(32)] }];
    for (const wanted of changes) assert.deepEqual(inCommits(wanted), [wanted]);
  });

  it("cuts what is too long into commits of the most Adds, with all else in the last", () => {
    fc.assert(
      fc.property(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 8 }), fc.boolean(), (count, most, befriends) => {
        const add = many(count);
        const rest = { remove: [Buffer.alloc(32)], policy: () => ({ membersMayAdd: true }), entries: () => [] };
        const commits = inCommits({ ...rest, add, befriends }, most);
        assert.equal(commits.length, Math.max(1, Math.ceil(count / most)));
        assert.deepEqual(
          commits.flatMap((one) => one.add ?? []),
          add,
        );
        for (const one of commits) {
          assert.ok((one.add ?? []).length <= most);
          assert.equal(one.befriends, befriends);
        }
        for (const one of commits.slice(0, -1)) assert.deepEqual(Object.keys(one).toSorted(), ["add", "befriends"]);
        const { remove, policy, entries } = commits.at(-1)!;
        assert.deepEqual({ remove, policy, entries }, rest);
      }),
    );
  });
});
