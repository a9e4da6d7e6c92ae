// How every command speaks: results on standard output, everything else in single lines on standard error.
import { setTimeout as after } from "node:timers/promises";
import { ConfigProblem } from "../config/problem.ts";
import { Fault } from "../fault.ts";
import { sayFault } from "./sentences.ts";

/** Exit codes of all commands. */
export const exits = { done: 0, failed: 1, usage: 2, missing: 3, busy: 4 } as const;

/** A command's own refusal: `message` is its whole line, lower case, and says what to do next. */
export class Refusal extends Error {
  readonly exit: number;
  constructor(message: string, exit: number = exits.usage) {
    super(message);
    this.exit = exit;
  }
}

export interface Terminal {
  readonly json: boolean;
  out(line: string): void;
  err(line: string): void;
}

/** The process's own output. */
export const ownTerminal = (json: boolean): Terminal => ({
  json,
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
});

/** With `--json` one object in one line, otherwise the lines for people. */
export function tell(terminal: Terminal, object: Readonly<Record<string, unknown>>, lines: readonly string[]): void {
  if (terminal.json) terminal.out(JSON.stringify({ ok: true, ...object }));
  else for (const line of lines) terminal.out(line);
}

const FIRST_MS = 2_000;
const AGAIN_MS = 15_000;

/** Runs `work`; when it takes longer than two seconds a line says what is waited for, and again every fifteen. */
export async function patiently<T>(terminal: Terminal, what: string, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const began = performance.now();
  const remind = async (): Promise<void> => {
    for (let wait = FIRST_MS; ; wait = AGAIN_MS) {
      await after(wait, undefined, { signal: over.signal, ref: false });
      terminal.err(`${what} (${Math.round((performance.now() - began) / 1000)} s)`);
    }
  };
  remind().catch(() => undefined);
  try {
    return await work;
  } finally {
    over.abort();
  }
}

/** Prints what went wrong in one line without data, and gives the exit code. */
export function report(terminal: Terminal, error: unknown): number {
  const { code, line, exit } =
    error instanceof Refusal || error instanceof ConfigProblem
      ? { code: "usage", line: error.message, exit: error instanceof Refusal ? error.exit : exits.usage }
      : error instanceof Fault
        ? { code: error.code, ...sayFault(error.code) }
        : { code: "failed", line: "an unexpected error: try again, and report it if it stays", exit: exits.failed };
  if (terminal.json) terminal.out(JSON.stringify({ ok: false, error: code, say: line }));
  terminal.err(`tacet: ${line}`);
  return exit;
}
