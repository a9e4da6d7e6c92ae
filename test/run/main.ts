// npm test after setup: every stage in order, one line each, on to the end whatever fails; the last line is the count.

import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { runStage, stages } from "./stages.ts";
import { runTests } from "./tests.ts";

const help = `Usage: node --import tsx test/run/main.ts [--only STAGE,...] [--short] [FILE...]

Stages: ${stages.map(({ name }) => name).join(", ")}, tests. With FILEs, only their tests run.
--short leaves out the tests that start a Tor network, fill disks or test the tools.
Exit: 0 all passed, 1 something failed, 2 unknown argument.`;

const longest = 60;
const longFolders = /^test\/(scenario|disk|fault|lint|run|bench|cli)\/|private-network/;

const testFiles = (short: boolean): string[] =>
  readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => `test/${path}`)
    .filter((path) => !short || !longFolders.test(path))
    .toSorted();

const readArguments = () => {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { only: { type: "string" }, short: { type: "boolean" }, help: { type: "boolean" } },
    });
    const names = [...stages.map(({ name }) => name), "tests"];
    const only = values.only?.split(",") ?? (positionals.length > 0 ? ["tests"] : names);
    return only.every((name) => names.includes(name)) ? { ...values, only, files: positionals } : undefined;
  } catch {
    return undefined;
  }
};

const options = readArguments();
if (options === undefined || options.help === true) {
  console[options === undefined ? "error" : "log"](help);
  process.exit(options === undefined ? 2 : 0);
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;
const total = { passed: 0, failed: 0, skipped: 0 };

for (const stage of stages.filter(({ name }) => options.only.includes(name))) {
  const began = performance.now();
  const { ok, output } = await runStage(stage);
  total[ok ? "passed" : "failed"] += 1;
  console.log(`${stage.name.padEnd(8)}${ok ? "ok" : "FAILED"} (${seconds(began)})`);
  if (ok) continue;
  const lines = output.trim().split("\n");
  for (const line of lines.slice(0, longest)) console.log(`  ${line}`);
  if (lines.length > longest) console.log(`  ... and ${lines.length - longest} lines more: ${stage.command.join(" ")}`);
}

if (options.only.includes("tests")) {
  const began = performance.now();
  const short = options.short === true;
  const { passed, failed, skipped } = await runTests({
    files: options.files.length > 0 ? options.files : testFiles(short),
    env: process.env,
    silence: 5 * 60_000,
    parting: 10_000,
    print: console.log,
  });
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  console.log(`${"tests".padEnd(8)}${failed === 0 ? "ok" : "FAILED"} (${seconds(began)})`);
}

process.exitCode = total.failed === 0 ? 0 : 1;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
