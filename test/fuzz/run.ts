// npm run fuzz -- NAME --seconds N | --epochs N [--seed N] [--plant] [--json]: finds the target of that name beside this file.
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { randomBelow } from "../../src/crypto/random.ts";
import { runControls, runInChild } from "./campaign.ts";
import type { Finding } from "./engine.ts";
import { isTarget, type Target } from "./target.ts";

const loadAll = async (): Promise<Map<string, Target>> => {
  const found = new Map<string, Target>();
  const files = readdirSync(import.meta.dirname).filter((file) => /^[\w-]+\.ts$/.test(file));
  for (const file of files.filter((name) => !["run.ts", "child.ts"].includes(name)).toSorted()) {
    const loaded = (await import(`./${file}`)) as object;
    if (isTarget(loaded)) found.set(file.slice(0, -".ts".length), loaded);
  }
  return found;
};

const withHistories = (known: ReadonlyMap<string, Target>): string[] =>
  [...known].flatMap(([name, { histories }]) => (histories === undefined ? [] : [name]));

const usage = (known: ReadonlyMap<string, Target>): string =>
  [
    "Usage: npm run fuzz -- NAME --seconds N [--seed N] [--plant] [--json]",
    `       npm run fuzz -- ${withHistories(known).join("|")} --epochs N [--seed N] [--plant] [--json]`,
    "",
    ...[...known].map(([name, { describe }]) => `  ${name.padEnd(12)} ${describe}`),
    "",
    "--seconds fuzzes the decoders, --epochs runs random histories. Each run also fuzzes decoders with planted bugs, or runs",
    "histories on broken copies, as a control; --plant does nothing else. The same seed gives each decoder the same inputs,",
    "and the same histories. --json prints one JSON object as the last line.",
    "Exit: 0 nothing found, 1 something found or a planted bug missed, 2 unknown name or argument.",
  ].join("\n");

const number = (text: string | undefined, least: number, most: number): number | undefined => {
  const value = Number(text);
  return text !== undefined && /^\d+$/.test(text) && value >= least && value <= most ? value : undefined;
};

const readArguments = (args: readonly string[]) => {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seconds: { type: "string" },
        epochs: { type: "string" },
        seed: { type: "string" },
        plant: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const seconds = number(values.seconds, 1, 604_800);
    const seed = values.seed === undefined ? randomBelow(2 ** 32 - 1) : number(values.seed, 0, 2 ** 32 - 1);
    const epochs = number(values.epochs, 1, 1_000_000);
    return { ...values, positionals, seconds, seed, epochs, byEpochs: values.epochs !== undefined };
  } catch {
    return undefined;
  }
};

const describeFinding = ({ decoder, kind, detail, input }: Finding): string =>
  `FOUND ${decoder}: ${kind} (${detail})\n  input ${input || "(none)"}`;

/** Runs the command line; returns the exit code. */
export const main = async (args: readonly string[]): Promise<number> => {
  const targets = await loadAll();
  const options = readArguments(args);
  if (options?.help === true) {
    console.log(usage(targets));
    return 0;
  }
  const [target, ...rest] = options?.positionals ?? [];
  if (options === undefined || target === undefined || options.seed === undefined) {
    console.error(usage(targets));
    return 2;
  }
  if (rest.length > 0 || !targets.has(target)) {
    console.error(`No target ${[target, ...rest].join(" ")}; there are: ${[...targets.keys()].join(", ")}`);
    return 2;
  }
  const { seed, plant, json, epochs, byEpochs } = options;
  const histories = targets.get(target)?.histories;
  if (byEpochs ? epochs === undefined || histories === undefined : options.seconds === undefined && !plant) {
    console.error(usage(targets));
    return 2;
  }
  // The seed is all it takes to have the same again.
  if (!json) console.log(`seed ${seed}`);
  if (epochs !== undefined && histories !== undefined) {
    const { result, findings, missed } = await histories({ seed, epochs, plant });
    return report({ json, result: { target, ...result, seed }, findings, missed });
  }
  const seconds = options.seconds ?? 0;
  const controls = await runControls({ target, seed, seconds });
  const { executions, findings } = plant ? controls : await runInChild("target", { target, seed, seconds });
  const { missed } = controls;
  const planted_found = missed.length === 0;
  const result = { target, seconds, executions, findings: findings.length, planted_found, seed };
  return report({ json, result, findings: findings.map(describeFinding), missed });
};

interface Report {
  readonly json: boolean;
  readonly result: Readonly<Record<string, unknown>>;
  readonly findings: readonly string[];
  readonly missed: readonly string[];
}

function report({ json, result, findings, missed }: Report): number {
  for (const name of missed) console.error(`NOT FOUND ${name}: the fuzzer is broken`);
  for (const finding of findings) (json ? console.error : console.log)(finding);
  if (json) console.log(JSON.stringify(result));
  else for (const [key, value] of Object.entries(result)) console.log(`${key}: ${plain(value)}`);
  return findings.length === 0 && missed.length === 0 ? 0 : 1;
}

const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

if (import.meta.filename === process.argv[1]) process.exitCode = await main(process.argv.slice(2));
