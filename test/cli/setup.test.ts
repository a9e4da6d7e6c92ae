// Setup: what it decides, and what it does with the packages, run against a stand-in for npm in an empty tree.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  atLeast,
  nodeProblem,
  packagesStale,
  parseArguments,
  parseVersion,
  torStep,
} from "../../src/cli/setup-plan.mjs";

const sources = resolve(import.meta.dirname, "../../src/cli");

describe("setup decides", () => {
  it("by the numbers of a version, not by its text", () => {
    assert.deepEqual(parseVersion("Tor version 0.4.8.16.\nTor is running on Linux"), [0, 4, 8, 16]);
    assert.deepEqual(parseVersion("v20.19.0"), [20, 19, 0]);
    assert.equal(parseVersion("no number here"), undefined);
    assert.ok(atLeast([0, 4, 10], [0, 4, 8]));
    assert.ok(atLeast([20, 19, 0], [20, 19]));
    assert.ok(atLeast([21], [20, 19]));
    assert.ok(!atLeast([0, 4, 7, 16], [0, 4, 8]));
    assert.ok(!atLeast([20], [20, 19]));
  });

  it("which Node is too old", () => {
    assert.equal(nodeProblem("v20.19.0"), undefined);
    assert.equal(nodeProblem("v24.0.0"), undefined);
    assert.match(nodeProblem("v20.18.3") ?? "", /20\.19 or newer .* v20\.18\.3/);
    assert.match(nodeProblem("v18.20.4") ?? "", /newer/);
  });

  it("when node_modules is not what the lock file says", () => {
    const one = { version: "1.0.0", integrity: "sha512-a" };
    const lock = { packages: { "": {}, "node_modules/a": one, "node_modules/b": { ...one, optional: true } } };
    assert.ok(packagesStale(lock, undefined), "nothing installed");
    assert.ok(!packagesStale(lock, { packages: { "node_modules/a": one, "node_modules/b": one } }), "the same");
    assert.ok(!packagesStale(lock, { packages: { "node_modules/a": one } }), "an optional package left out");
    assert.ok(packagesStale(lock, { packages: { "node_modules/b": one } }), "a package missing");
    assert.ok(packagesStale(lock, { packages: { "node_modules/a": { ...one, version: "1.0.1" } } }), "another version");
    assert.ok(packagesStale(lock, { packages: { "node_modules/a": { ...one, integrity: "x" } } }), "another content");
    assert.ok(packagesStale(lock, { packages: { "node_modules/a": one, "node_modules/c": one } }), "one too many");
  });

  describe("about tor", () => {
    const good = { version: [0, 4, 8, 16], gencert: true };
    const none = { version: undefined, gencert: false };
    const root = { root: true, apt: true, check: false, tried: false };
    const line = (step: ReturnType<typeof torStep>): string => {
      assert.ok(step.do === "say");
      assert.ok(!step.line.includes("\n"), "exactly one line");
      return step.line;
    };

    it("to do nothing when it is there", () => {
      assert.deepEqual(torStep(good, root), { do: "nothing" });
      assert.deepEqual(torStep(good, { ...root, root: false, apt: false }), { do: "nothing" });
    });

    it("to install it as root on Debian, once", () => {
      assert.deepEqual(torStep(none, root), { do: "install" });
      assert.deepEqual(torStep({ version: [0, 4, 7], gencert: true }, root), { do: "install" });
      assert.deepEqual(torStep({ ...good, gencert: false }, root), { do: "install" });
      assert.match(
        line(torStep({ version: [0, 4, 7], gencert: true }, { ...root, tried: true })),
        /0\.4\.7 is too old/,
      );
    });

    it("to say what to type otherwise", () => {
      assert.match(line(torStep(none, { ...root, root: false })), /type: sudo apt-get update && sudo apt-get install/);
      assert.match(line(torStep(none, { ...root, check: true })), /type: apt-get update && apt-get install/);
      assert.match(line(torStep(none, { ...root, apt: false })), /install tor 0\.4\.8 or newer/);
    });

    it("to ask for tor-gencert only where a private network is made", () => {
      assert.deepEqual(torStep({ ...good, gencert: false }, { ...root, check: true }), { do: "nothing" });
      assert.match(line(torStep({ ...good, gencert: false }, { ...root, root: false })), /tor-gencert is missing/);
    });
  });

  it("which arguments it knows", () => {
    assert.deepEqual(parseArguments([]), { check: false, withoutTor: false, help: false });
    assert.deepEqual(parseArguments(["--without-tor", "--check"]), { check: true, withoutTor: true, help: false });
    assert.equal(parseArguments(["--with-tor"]), undefined);
  });
});

describe("setup does", function () {
  this.timeout(60_000);
  let tree = "";
  const lock = (version: string) =>
    JSON.stringify({ packages: { "": {}, "node_modules/a": { version, integrity: `sha512-${version}` } } });

  // Lays down what npm would, and writes each call to a file.
  const npm = `
    const { appendFileSync, copyFileSync, mkdirSync, writeFileSync, existsSync } = require("node:fs");
    appendFileSync("calls", process.argv.slice(2).join(" ") + "\\n");
    if (existsSync("astray")) { mkdirSync("node_modules"); writeFileSync("node_modules/.package-lock.json", "{}"); process.exit(0); }
    if (existsSync("broken")) { console.error("no such package"); process.exit(1); }
    mkdirSync("node_modules/patch-package", { recursive: true });
    copyFileSync("package-lock.json", "node_modules/.package-lock.json");
    writeFileSync("node_modules/patch-package/index.js",
      'require("node:fs").appendFileSync("calls", "patch\\\\n"); if (require("node:fs").existsSync("stubborn")) { require("node:fs").rmSync("stubborn"); process.exit(1); }');
    setTimeout(() => {}, existsSync("slow") ? 2300 : 0);`;

  const setup = (...args: string[]) => {
    const env = { ...process.env, npm_execpath: join(tree, "npm.cjs") };
    const command = [join(tree, "src/cli/setup.mjs"), "--without-tor", ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { env, encoding: "utf8" });
    return { status, stdout, stderr };
  };
  const calls = () => readFileSync(join(tree, "calls"), "utf8").trim().split("\n");
  const write = (path: string, text: string) => writeFileSync(join(tree, path), text);

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), "tacet-setup-"));
    mkdirSync(join(tree, "src/cli"), { recursive: true });
    mkdirSync(join(tree, "src/mls/patches"), { recursive: true });
    for (const name of ["setup.mjs", "setup-plan.mjs"]) copyFileSync(join(sources, name), join(tree, "src/cli", name));
    write("src/mls/patches/a.patch", "one");
    write("package-lock.json", lock("1.0.0"));
    write("npm.cjs", npm);
    write("calls", "");
  });
  afterEach(() => rmSync(tree, { recursive: true }));

  const install = "install --no-save --include=dev --no-audit --no-fund";
  const quiet = { status: 0, stdout: "", stderr: "" };

  it("install from the lock file once, and again only when lock file or patches change", () => {
    assert.deepEqual(setup(), quiet);
    assert.deepEqual(calls(), [install, "patch"]);
    assert.deepEqual(setup(), quiet);
    assert.deepEqual(calls(), [install, "patch"]);
    write("package-lock.json", lock("1.0.1"));
    assert.deepEqual(setup(), quiet);
    assert.deepEqual(calls(), [install, "patch", install, "patch"]);
    write("src/mls/patches/a.patch", "two");
    assert.deepEqual(setup(), quiet);
    assert.deepEqual(calls(), [install, "patch", install, "patch", "patch"]);
  });

  it("begin again from published packages where an older patch is in the way", () => {
    setup();
    write("src/mls/patches/a.patch", "two");
    write("stubborn", "");
    assert.deepEqual(setup(), quiet);
    assert.deepEqual(calls(), [install, "patch", "patch", install, "patch"]);
  });

  it("say what fails, and with which exit code", () => {
    write("broken", "");
    const { status, stderr } = setup();
    assert.equal(status, 1);
    assert.match(stderr, /^Installing npm packages: failed\nno such package\n$/);
    assert.equal(setup("--nonsense").status, 2);
  });

  it("refuse what npm laid down otherwise than the lock file says", () => {
    write("astray", "");
    const { status, stderr } = setup();
    assert.equal(status, 1);
    assert.match(stderr, /something else than the lock file says/);
  });

  it("only look with --check", () => {
    const { status, stderr } = setup("--check");
    assert.equal(status, 3);
    assert.equal(stderr, "npm packages are missing or not those of the lock file, type: npm install\n");
    assert.deepEqual(calls(), [""]);
    setup();
    assert.deepEqual(setup("--check"), quiet);
  });

  it("say what it waits for after two seconds", () => {
    write("slow", "");
    assert.equal(setup().stderr, "Installing npm packages (2 s)\n");
  });
});
