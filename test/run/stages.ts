// The checks that come before the tests: each is one command that passes or fails.

import { spawn } from "node:child_process";

export interface Stage {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

const sources = ["src", "tor", "tokens", "test"];

// Explicit paths: the type-aware linter falls over when it wanders into node_modules.
export const stages: readonly Stage[] = [
  { name: "format", command: ["oxfmt", "--check", ...sources, "package.json"] },
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings", ...sources] },
  { name: "types", command: ["tsc", "--noEmit", "-p", "test"] },
  { name: "unused", command: ["knip", "--no-progress"] },
];

/** Runs a stage's command from node_modules; its output is for the reader of a failure only. */
export const runStage = ({ command: [program, ...args] }: Stage): Promise<{ ok: boolean; output: string }> =>
  new Promise((done) => {
    const child = spawn(`node_modules/.bin/${program}`, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (part: Buffer) => (output += part.toString());
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => done({ ok: false, output: error.message }));
    child.on("close", (code) => done({ ok: code === 0, output }));
  });
