// Starts the process that runs the tests, counts what it reports, and watches that it neither hangs nor stays.

import { spawn } from "node:child_process";
import type { Message, Outcome } from "./messages.ts";

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

export interface TestRun {
  readonly files: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds without any report after which the running test is named and everything ended. */
  readonly silence: number;
  /** Milliseconds the process may take to end by itself after the last test. */
  readonly parting: number;
  readonly print: (line: string) => void;
}

const emptyCount = (): Count => ({ passed: 0, failed: 0, skipped: 0 });

const fileLine = (file: string, { passed, failed, skipped }: Count, ms: number): string =>
  `  ${failed > 0 ? "FAILED" : "ok    "} ${file}: ${passed} passed` +
  (failed > 0 ? `, ${failed} failed` : "") +
  (skipped > 0 ? `, ${skipped} skipped` : "") +
  (ms >= 1_000 ? ` (${(ms / 1000).toFixed(1)} s)` : "");

/** Runs the files in one process, in order; resolves to the count, in which a hang or a crash is one failure. */
export const runTests = ({ files, env, silence, parting, print }: TestRun): Promise<Count> =>
  new Promise((done) => {
    const total = emptyCount();
    const details: string[] = [];
    let file: { name: string; count: Count; began: number } | undefined;
    let running = "loading the test files";
    let ended = false;

    const closeFile = () => {
      // A hook outside any suite belongs to no file and counts nothing.
      if (file !== undefined && Object.values(file.count).some((count) => count > 0))
        print(fileLine(file.name, file.count, Date.now() - file.began));
      file = undefined;
    };
    const openFile = (name: string): Count => {
      if (file?.name === name) return file.count;
      closeFile();
      file = { name, count: emptyCount(), began: Date.now() };
      return file.count;
    };
    const add = (name: string, outcome: Outcome, detail?: string) => {
      openFile(name)[outcome] += 1;
      total[outcome] += 1;
      if (detail !== undefined) details.push(detail);
    };

    // A group of its own, so that what the tests started can be ended with them.
    const child = spawn(process.execPath, ["--import", "tsx", "test/run/mocha.ts", ...files], {
      env,
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const endGroup = (signal: NodeJS.Signals) => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    };
    const interrupted = () => endGroup("SIGINT");
    process.on("SIGINT", interrupted).on("SIGTERM", interrupted);

    let watch: NodeJS.Timeout | undefined;
    const watchFor = (ms: number, problem: () => string) => {
      clearTimeout(watch);
      watch = setTimeout(() => {
        add("test/run", "failed", problem());
        endGroup("SIGKILL");
      }, ms);
    };
    const alive = () => watchFor(silence, () => `Nothing heard for ${silence / 1000} s: ${running}`);
    alive();

    let stays = "";
    child.on("message", (message: Message) => {
      if (!ended) alive();
      switch (message.at) {
        case "begin":
          running = `${message.file}: ${message.title}`;
          openFile(message.file);
          break;
        case "result":
          if (message.outcome === "skipped") print(`  skipped: ${message.title}`);
          add(
            message.file,
            message.outcome,
            message.outcome === "failed" ? `${message.file}: ${message.title}\n${message.problem ?? ""}` : undefined,
          );
          break;
        case "end":
          ended = true;
          closeFile();
          watchFor(parting, () => `The tests are over but their process stays${stays}`);
          break;
        case "stays":
          stays = `, kept by ${message.kept.join(", ")}; left open in: ${message.suspects.join(", ") || "?"}`;
          break;
        default:
          message satisfies never;
      }
    });
    child.on("close", (code, signal) => {
      clearTimeout(watch);
      process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
      if (!ended && !details.some((detail) => detail.startsWith("Nothing heard")))
        add("test/run", "failed", `The test process ended early (${signal ?? code}): ${running}`);
      closeFile();
      for (const [index, detail] of details.entries()) print(`\n${index + 1}) ${detail}`);
      done(total);
    });
  });
