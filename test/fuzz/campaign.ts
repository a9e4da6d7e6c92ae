// Runs a campaign in a process of its own, and ends it when it stays with one input: that is a finding too.
import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Campaign } from "./engine.ts";
import type { Job, Message, Mode } from "./messages.ts";

/** Milliseconds without a sign of life after which an input has hung. A turn takes 20, a collection some hundreds. */
const HANG_MS = 8_000;
/** Loading the sources on a busy machine. */
const LOADING_MS = 60_000;

export interface CampaignResult extends Campaign {
  /** Controls that were not found. */
  readonly missed: readonly string[];
}

export interface FuzzOptions {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
}

const hang = (current: string): Campaign => {
  const noted = readFileSync(current);
  const end = noted.indexOf(0);
  const decoder = noted.subarray(0, end).toString();
  const finding = { decoder, kind: "hang", detail: "does not end", input: noted.subarray(end + 1).toString("hex") };
  return { executions: 0, findings: [{ ...finding, kind: "hang" }] };
};

export function runInChild(mode: Mode, options: FuzzOptions, hangMs = HANG_MS): Promise<CampaignResult> {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  const job: Job = { ...options, mode, current: join(folder, "current") };
  const child = fork(join(import.meta.dirname, "child.ts"), [JSON.stringify(job)], {
    execArgv: ["--expose-gc", "--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return new Promise<CampaignResult>((resolve, reject) => {
    let watch: NodeJS.Timeout | undefined;
    let result: CampaignResult | undefined;
    const expect = (ms: number): void => {
      clearTimeout(watch);
      watch = setTimeout(() => {
        child.kill("SIGKILL");
        result = { ...hang(job.current), missed: [] };
      }, ms);
    };
    expect(LOADING_MS);
    child.on("message", (message: Message) => {
      expect(hangMs);
      if ("done" in message) result = { ...message.done, missed: message.missed };
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(watch);
      if (result === undefined) reject(new Error(`the fuzzer ended early (${signal ?? code})`));
      else resolve(result);
    });
  }).finally(() => rmSync(folder, { recursive: true }));
}

/** Seconds that the controls may take: they are found in well under one. */
const CONTROL_SECONDS = 10;

export interface Controls {
  readonly executions: number;
  readonly findings: Campaign["findings"];
  readonly missed: readonly string[];
}

/** Every planted bug: those found from inside, memory that grows, an input that never ends. */
export async function runControls({ target, seed }: FuzzOptions): Promise<Controls> {
  const inside = await runInChild("planted", { target, seed, seconds: CONTROL_SECONDS });
  const leak = await runInChild("leaking", { target, seed, seconds: 1 });
  const endless = await runInChild("stuck", { target, seed, seconds: CONTROL_SECONDS }, 1_000);
  const noticed = endless.findings.some(({ kind }) => kind === "hang");
  return {
    executions: inside.executions + leak.executions + endless.executions,
    findings: [inside, leak, endless].flatMap(({ findings }) => findings),
    missed: [...inside.missed, ...leak.missed, ...(noticed ? [] : ["planted: never ends"])],
  };
}
