// The fuzz command: help, unknown names, exit codes, and that a seed gives the same again.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const fuzz = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", "test/fuzz/run.ts", ...args], { cwd: root, encoding: "utf8" });

describe("fuzz", function () {
  this.timeout(60_000);

  it("lists the targets with --help", () => {
    const { status, stdout } = fuzz("--help");
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: npm run fuzz -- NAME --seconds N/);
    assert.match(stdout, /^ {2}tokens +\w/m);
    assert.match(stdout, /groups --epochs N/);
  });

  it("refuses an unknown name, naming those there are", () => {
    const { status, stderr } = fuzz("nonsense", "--seconds", "1");
    assert.equal(status, 2);
    assert.match(stderr, /^No target nonsense; there are: .*tokens/);
  });

  it("refuses no name, no seconds, no number and unknown options with its usage", () => {
    for (const args of [
      [],
      ["tokens"],
      ["tokens", "--seconds", "x"],
      ["tokens", "--seconds", "0"],
      ["tokens", "--epochs", "1"],
      ["groups", "--epochs", "x"],
      ["--nonsense"],
    ]) {
      const { status, stderr } = fuzz(...args);
      assert.equal(status, 2, args.join(" "));
      assert.match(stderr, /^Usage:/);
    }
  });

  it("finds every planted bug, exits with 1, and finds the same from the same seed", () => {
    const [first, second] = [fuzz("tokens", "--plant", "--seed", "3"), fuzz("tokens", "--plant", "--seed", "3")];
    assert.equal(first.status, 1);
    const found = (output: string): string[] => output.split("\n").filter((line) => /^(FOUND|seed)/.test(line));
    assert.ok(found(first.stdout).length >= 11, first.stdout);
    assert.deepEqual(found(first.stdout), found(second.stdout));
    assert.match(first.stdout, /^planted_found: true$/m);
  });
});
