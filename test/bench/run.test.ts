// The bench command: help, unknown names, exit codes. The figures themselves are not a test's business.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const bench = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", "test/bench/run.ts", ...args], { cwd: root, encoding: "utf8" });

describe("bench", function () {
  this.timeout(60_000);

  it("lists the benchmarks with --help", () => {
    const { status, stdout } = bench("--help");
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: npm run bench -- NAME \[--json\]/);
  });

  it("refuses an unknown name, naming those there are", () => {
    const { status, stderr } = bench("nonsense");
    assert.equal(status, 2);
    assert.match(stderr, /^No benchmark nonsense; there are: /);
  });

  it("refuses no name and unknown options with its usage", () => {
    for (const args of [[], ["--nonsense"]]) {
      const { status, stderr } = bench(...args);
      assert.equal(status, 2);
      assert.match(stderr, /^Usage:/);
    }
  });
});
