// The tree keeps its form: fixed top level, short files, no word that belongs to one machine or to unfinished work.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { derivationLabels, hpkeInfo, signatureLabels } from "../../src/crypto/labels.ts";
import { events } from "../../src/observe/names.ts";
import { strangers, tooLong, unfitLines, unused, type TreeFile } from "./tree-rules.ts";

const root = resolve(import.meta.dirname, "../..");

/** The project's files, undefined where git is not there to tell them from others. */
const tracked = (): string[] | undefined => {
  // Whoever owns the files, nothing but their names is asked for.
  const { status, stdout } = spawnSync("git", ["-c", "safe.directory=*", "ls-files", "-z"], {
    cwd: root,
    encoding: "utf8",
  });
  return status === 0 ? stdout.split("\0").filter((path) => path !== "" && existsSync(join(root, path))) : undefined;
};

describe("tree", () => {
  let files: readonly TreeFile[] = [];

  before(function () {
    const paths = tracked();
    if (paths === undefined) this.skip(); // Without git nothing tells the project's files from others.
    files = paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
  });

  it("has only the fixed entries at its top", () => {
    assert.deepEqual(strangers(files.map(({ path }) => path)), []);
    assert.deepEqual(strangers(["src/a.ts", ".ci/run", "docs/a.md", "lib.ts", "docs/b.md"]), ["docs", "lib.ts"]);
  });

  it("has no source file of more than 400 lines", () => {
    assert.deepEqual(tooLong(files), []);
    const lines = (n: number) => "line\n".repeat(n);
    const planted = [
      { path: "src/fits.ts", text: lines(400) },
      { path: "src/long.ts", text: lines(401) },
      { path: "src/long.md", text: lines(401) },
    ];
    assert.deepEqual(tooLong(planted), ["src/long.ts"]);
  });

  it("holds no path of one machine, no registry, nothing left undone, no test left out without a reason", () => {
    assert.deepEqual(unfitLines(files), []);
  });

  it("has no event that nothing raises and no label that nothing uses", () => {
    const raised = Object.keys(events).map((name) => `event("${name}")`);
    const used = [derivationLabels, signatureLabels, hpkeInfo].flatMap((list) =>
      Object.keys(list).map((purpose) => `"${purpose}"`),
    );
    assert.deepEqual(unused([...raised, ...used], files), []);
    const planted = [{ path: "src/a.ts", text: 'observe.event("ready")' }];
    assert.deepEqual(unused(['event("ready")', 'event("stop")'], planted), ['event("stop")']);
  });

  it("would see each of those", () => {
    // Put together here, so that this file does not hold them itself.
    const planted: readonly (readonly [string, string])[] = [
      ["test/a.ts", `"${["", "work", "main", "x.ts"].join("/")}"`],
      ["README.md", `see ${["", "home", "someone", "notes"].join("/")}`],
      ["src/a.ts", `${["registry", "npmjs", "org"].join(".")}`],
      ["package-lock.json", `${['"resolved"', '"https'].join(": ")}`],
      ["src/b.ts", `// ${["TO", "DO"].join("")}: later`],
      ["tor/b.ts", `// ${["FIX", "ME"].join("")}`],
      ["tokens/b.ts", `throw ${["not", "implemented"].join(" ")}`],
      ["test/b.ts", ["it", 'skip("x")'].join(".")],
    ];
    for (const [path, line] of planted)
      assert.equal(unfitLines([{ path, text: `first\n${line}\n` }]).length, 1, `${path}: ${line}`);
    const sound = [
      ["src/a.ts", `/dev/shm and /usr/sbin/tor and ${[".", "work", "a"].join("/")} and mktemp -d /tmp/XXXXXXXX`],
      ["test/a.ts", ["this", "skip(); // no tor here"].join(".")],
    ];
    for (const [path = "", text = ""] of sound) assert.deepEqual(unfitLines([{ path, text }]), []);
  });
});
