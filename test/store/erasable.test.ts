import assert from "node:assert/strict";
import { copyFileSync, fsyncSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Erasable, type PageWriter } from "../../src/store/erasable.ts";
import { key, temporary } from "./harness.ts";

const id = Buffer.alloc(16, 1);
const open = (path: string, writer?: PageWriter): Erasable =>
  new Erasable(path, key(), id, { ...(writer && { writer }) });
const keysOf = (keys: Erasable): string[] => {
  const found = keys.use((all) =>
    keys.ids.map((name, i) => `${name.toString("hex")} ${all.toString("hex", i * 32, i * 32 + 32)}`),
  );
  keys.close();
  return found;
};

class Crash extends Error {}
/** Lets `steps` steps happen; the next one is a crash, in the middle of it where it is a write. */
const failing = (steps: number): PageWriter => {
  let left = steps;
  return {
    write(file, bytes, at) {
      const whole = left-- > 0;
      writeSync(file, bytes, 0, whole ? bytes.length : bytes.length >> 1, at);
      if (!whole) throw new Crash();
    },
    sync(file) {
      if (left-- <= 0) throw new Crash();
      fsyncSync(file);
    },
  };
};

describe("store/erasable", () => {
  let path: string;
  let remove: () => void;
  beforeEach(() => {
    const { dir, remove: end } = temporary();
    path = join(dir, "erasable");
    remove = end;
    new Erasable(path, key(), id, { create: true }).close();
  });
  afterEach(() => remove());

  it("keeps a key until it is dropped, and its place on the disk holds nothing of it then", () => {
    const [first] = keysOf(open(path));
    const before = readFileSync(path);
    const keys = open(path);
    keys.begin();
    assert.equal(keys.ids.length, 2);
    keys.drop();
    keys.close();
    const after = keysOf(open(path));
    assert.equal(after.length, 1);
    assert.notEqual(after[0], first);
    // both pages are written over, and the file as it was opens what it held: the control
    for (const page of [0, 4096])
      assert.notDeepEqual(readFileSync(path).subarray(page, page + 121), before.subarray(page, page + 121));
    writeFileSync(path, before);
    assert.deepEqual(keysOf(open(path)), [first]);
  });

  it("opens under its master key and id only, and says when it opens nothing", () => {
    const erased = { code: "store/erased" };
    assert.throws(() => new Erasable(path, key(8), id), erased);
    assert.throws(() => new Erasable(path, key(), Buffer.alloc(16, 2)), erased);
    assert.throws(() => open(`${path}-not-there`), erased);
    writeFileSync(path, Buffer.alloc(8192));
    assert.throws(() => open(path), erased);
    assert.throws(() => new Erasable(path, key(), id, { create: true }), { code: "store/exists" });
  });

  for (const step of ["begin", "drop"] as const)
    it(`interrupted anywhere while it is to ${step}, opens as before or after, and goes on`, () => {
      const start = open(path);
      if (step === "drop") start.begin();
      start.close();
      const kept = `${path}-kept`;
      copyFileSync(path, kept);
      const before = keysOf(open(path));
      let outcomes = 0;
      for (let steps = 0; ; steps++) {
        copyFileSync(kept, path);
        const keys = open(path, failing(steps));
        let failed = false;
        try {
          keys[step]();
        } catch (error) {
          failed = true;
          assert.equal((error as { code?: string }).code, "store/write");
          assert.deepEqual(keysOf(keys), before, "in memory nothing has changed");
        }
        // the process ends here
        const again = open(path);
        again.settle();
        if (again.ids.length > 1) again.drop();
        again.close();
        const after = keysOf(open(path));
        assert.equal(after.length, 1);
        // a turn that was interrupted ends in the key that sealed since it began
        if (!failed && step === "drop") assert.deepEqual(after, before.slice(0, 1));
        outcomes++;
        if (!failed) break;
      }
      assert.equal(outcomes, 5, "two writes and two syncs, and all of them");
    });

  it("survives the loss of either page, and mends it", () => {
    const whole = keysOf(open(path));
    for (const page of [0, 4096]) {
      const torn = readFileSync(path);
      torn.fill(0, page, page + 60);
      writeFileSync(path, torn);
      const keys = open(path);
      keys.settle();
      assert.deepEqual(keysOf(keys), whole);
    }
    assert.deepEqual(keysOf(open(path)), whole);
  });

  it("forgets for good also where a write failed in between: the page that was left is written over", () => {
    const keys = open(path, failing(2));
    assert.throws(() => keys.begin(), { code: "store/write" });
    const torn = readFileSync(path);
    keys.close();
    const again = open(path);
    again.settle();
    if (again.ids.length === 1) again.begin();
    again.drop();
    again.close();
    for (const page of [0, 4096])
      assert.notDeepEqual(readFileSync(path).subarray(page, page + 121), torn.subarray(page, page + 121));
  });
});
