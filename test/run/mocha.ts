// Runs the given test files with mocha, one after the other, and reports each test to the parent process.

import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import Mocha from "mocha";
import { makeLeftovers } from "./leftovers.ts";
import type { Message } from "./messages.ts";

const root = process.cwd();
const tell = (message: Message): void => void process.send?.(message);
const leftovers = makeLeftovers();
const fileOf = (item: { file?: string | undefined }): string =>
  item.file === undefined ? "?" : relative(root, item.file);

class Reporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner) {
    super(runner);
    runner.on("test", (test) => tell({ at: "begin", file: fileOf(test), title: test.fullTitle() }));
    runner.on("hook", (hook) => tell({ at: "begin", file: fileOf(hook), title: hook.fullTitle() }));
    runner.on("pass", (test) => tell({ at: "result", file: fileOf(test), title: test.fullTitle(), outcome: "passed" }));
    runner.on("pending", (test) =>
      tell({ at: "result", file: fileOf(test), title: test.fullTitle(), outcome: "skipped" }),
    );
    runner.on("fail", (test, error: unknown) => {
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      tell({ at: "result", file: fileOf(test), title: test.fullTitle(), outcome: "failed", problem });
    });
    runner.on("suite end", (suite) => {
      if (suite.parent?.root === true) leftovers.fileDone(fileOf(suite));
    });
  }
}

const settings = (JSON.parse(readFileSync("package.json", "utf8")) as { mocha: { timeout: number } }).mocha;
const mocha = new Mocha({ ui: "bdd", timeout: settings.timeout, forbidOnly: true, reporter: Reporter });

// Loaded one by one: a file that does not load fails alone.
for (const file of process.argv.slice(2)) {
  const path = resolve(root, file);
  mocha.suite.emit("pre-require", globalThis, path, mocha);
  try {
    const loaded: unknown = await import(pathToFileURL(path).href);
    mocha.suite.emit("require", loaded, path, mocha);
  } catch (error) {
    const failing = new Mocha.Test("loads", () => {
      throw error;
    });
    failing.file = path;
    const suite = Mocha.Suite.create(mocha.suite, file);
    suite.file = path;
    suite.addTest(failing);
  }
  mocha.suite.emit("post-require", globalThis, path, mocha);
}

mocha.run((failures) => {
  process.exitCode = failures === 0 ? 0 : 1;
  tell({ at: "end" });
  // Not held by this timer, so it fires only when something else keeps the process.
  setTimeout(() => tell({ at: "stays", ...leftovers.look() }), 500).unref();
});
