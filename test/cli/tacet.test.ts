// The executable: TypeScript runs behind it, arguments and exit codes pass through, missing packages give one line.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

describe("the tacet executable", () => {
  let tree = "";
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(tree, "src/cli/tacet.mjs"), ...args], { encoding: "utf8" });

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), "tacet-bin-"));
    mkdirSync(join(tree, "src/cli"), { recursive: true });
    copyFileSync(join(root, "src/cli/tacet.mjs"), join(tree, "src/cli/tacet.mjs"));
    writeFileSync(join(tree, "package.json"), '{ "type": "module" }');
    writeFileSync(
      join(tree, "src/cli/tacet.ts"),
      `const args: readonly string[] = process.argv.slice(2);
       console.log(args.join(" "));
       process.exitCode = 7;`,
    );
  });
  afterEach(() => rmSync(tree, { recursive: true }));

  it("hands over to tacet.ts", () => {
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    const { status, stdout } = run("init", "--help");
    assert.deepEqual({ status, stdout }, { status: 7, stdout: "init --help\n" });
  });

  it("says in one line that packages are missing", () => {
    const { status, stdout, stderr } = run("start");
    assert.deepEqual({ status, stdout }, { status: 3, stdout: "" });
    assert.match(stderr, /^npm packages are missing .*type: npm install\n$/);
  });
});
