// The runner counts what happens, and is neither fooled nor held by files that fail to load, crash, hang or linger.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTests } from "./tests.ts";

describe("the test runner", function () {
  this.timeout(60_000);
  let folder = "";
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "tacet-run-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const run = async (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const lines: string[] = [];
    const count = await runTests({
      files: Object.keys(files).map((name) => join(folder, name)),
      env: process.env,
      silence: 5_000,
      parting: 1_500,
      print: (line) => lines.push(line),
    });
    return { ...count, text: lines.join("\n") };
  };

  const sound = `describe("sound", () => { it("passes", () => {}); });`;

  it("counts passed, failed and skipped, and a file that does not load as one failure", async () => {
    const { passed, failed, skipped, text } = await run({
      "a.test.ts": `describe("a", () => {
        it("passes", () => {});
        it("fails", () => { throw new Error("planted"); });
        it("skips", function () { this.${"skip"}(); });
      });`,
      "b.test.ts": `import "./nowhere.ts";`,
      "c.test.ts": sound,
    });
    assert.deepEqual({ passed, failed, skipped }, { passed: 2, failed: 2, skipped: 1 });
    assert.match(text, /a fails\nError: planted/);
    assert.match(text, /b\.test\.ts loads\n.*nowhere\.ts/);
    assert.match(text, /skipped: a skips/);
    assert.match(text, /ok {5}\S*c\.test\.ts: 1 passed/);
  });

  it("counts a failing hook", async () => {
    const { failed } = await run({
      "a.test.ts": `describe("a", () => { before(() => { throw new Error("x"); }); it("never runs", () => {}); });`,
    });
    assert.equal(failed, 1);
  });

  it("refuses an exclusive test", async () => {
    const { failed, text } = await run({ "a.test.ts": `describe("a", () => { it.${"only"}("b", () => {}); });` });
    assert.equal(failed, 1);
    assert.match(text, /only/);
  });

  it("counts a process that ends early as a failure, and names the test", async () => {
    const { passed, failed, text } = await run({
      "a.test.ts": sound,
      "b.test.ts": `describe("b", () => { it("leaves", () => process.exit(0)); });`,
    });
    assert.deepEqual({ passed, failed }, { passed: 1, failed: 1 });
    assert.match(text, /ended early \(0\): \S*b\.test\.ts: b leaves/);
  });

  it("names the test that hangs", async () => {
    const { failed, text } = await run({
      "a.test.ts": sound,
      "b.test.ts": `describe("b", () => { it("spins", () => { for (;;); }); });`,
    });
    assert.equal(failed, 1);
    assert.match(text, /Nothing heard for 5 s: \S*b\.test\.ts: b spins/);
  });

  it("names the file whose open handle keeps the process", async () => {
    const { passed, failed, text } = await run({
      "a.test.ts": sound,
      "b.test.ts": `import { createServer } from "node:net";
        describe("b", () => { it("listens", (done) => void createServer().listen("${folder}/s", done)); });`,
      "c.test.ts": sound,
    });
    assert.deepEqual({ passed, failed }, { passed: 3, failed: 1 });
    assert.match(text, /their process stays, kept by \w+; left open in: \S*b\.test\.ts\n?$/m);
  });
});
