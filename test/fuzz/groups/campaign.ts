// Runs histories in a process of their own, which is ended when it stays with one step; and the controls beside them.
import { fork } from "node:child_process";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Control, controls, brokenTree } from "./controls.ts";
import type { Histories, HistoriesOptions } from "../target.ts";
import type { Told } from "./run.ts";

/** Milliseconds without a step after which a history hangs; loading the sources counts. */
const HANG_MS = 60_000;
/** Findings after which a run ends. */
const ENOUGH = 10;
/** Epochs within which a control must be found. */
const CONTROL_EPOCHS = 400;

export interface HistoryOptions {
  readonly seed: number;
  readonly epochs: number;
  readonly enough?: number;
}

const root = resolve(import.meta.dirname, "../../..");

/** `tree`: the folder of the project, or of a copy. */
export function runInChild({ seed, epochs, enough = ENOUGH }: HistoryOptions, tree = root): Promise<Told> {
  const args = [seed, epochs, enough].map(String);
  const child = fork(join(tree, "test/fuzz/groups/child.ts"), args, {
    cwd: tree,
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  let complaint = "";
  child.stderr?.on("data", (text: Buffer) => (complaint = (complaint + text.toString()).slice(-2000)));
  return new Promise((done, reject) => {
    let told: Told | undefined;
    let watch: NodeJS.Timeout | undefined;
    const expect = (): void => {
      clearTimeout(watch);
      watch = setTimeout(() => child.kill("SIGKILL"), HANG_MS);
    };
    expect();
    child.on("message", (message: Told | "beat") => {
      expect();
      if (message !== "beat") told = message;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(watch);
      if (told !== undefined) done(told);
      else reject(new Error(`the histories ended early (${signal ?? code}): ${complaint}`));
    });
  });
}

export interface Controlled {
  readonly name: string;
  /** What its histories showed; undefined where the control cannot be made here. */
  readonly told: Told | undefined;
  readonly found: boolean;
}

/** One control: histories in a broken copy, until the first finding of a kind that it must have. */
export async function runControl(control: Control, seed: number): Promise<Controlled> {
  const tree = brokenTree(control);
  if (tree === undefined) return { name: control.name, told: undefined, found: true };
  try {
    const told = await runInChild({ seed, epochs: CONTROL_EPOCHS, enough: control.published === true ? 3 : 1 }, tree);
    return { name: control.name, told, found: control.expected.some((kind) => told[kind] > 0) };
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Two at a time. */
export async function runControls(seed: number, chosen: readonly Control[] = controls): Promise<Controlled[]> {
  const results: Controlled[] = [];
  const waiting = [...chosen];
  const line = async (): Promise<void> => {
    for (let control = waiting.shift(); control !== undefined; control = waiting.shift()) {
      results.push(await runControl(control, seed));
    }
  };
  await Promise.all([line(), line()]);
  return results;
}

/** The histories of a seed, and every control. */
export async function runHistories({ seed, epochs, plant }: HistoriesOptions): Promise<Histories> {
  const began = performance.now();
  const told = plant ? undefined : await runInChild({ seed, epochs });
  const seconds = Math.round((performance.now() - began) / 1000);
  const controlled = await runControls(seed);
  const missed = controlled.filter(({ found }) => !found).map(({ name }) => name);
  const shown = controlled.map(({ name, told: one }) => [name, one?.details[0] ?? "not to be made here"] as const);
  const common = { planted_found: missed.length === 0, controls: Object.fromEntries(shown) };
  if (told === undefined) {
    return { result: common, findings: shown.map(([name, detail]) => `FOUND ${name}: ${detail}`), missed };
  }
  const { details, undone, ...counts } = told;
  // an attack that could not be made is no proof of anything
  const unmade = Object.keys(undone).map((one) => `NOT MADE ${one}`);
  return {
    result: { ...counts, seconds, ...common },
    findings: [...details.map((detail) => `FOUND ${detail}`), ...unmade],
    missed,
  };
}
