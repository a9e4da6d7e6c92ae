// npm run fuzz -- NAME --seconds N [--seed N] [--plant] [--json]: finds the target of that name beside this file.
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

const usage = (known: ReadonlyMap<string, Target>): string =>
  [
    "Usage: npm run fuzz -- NAME --seconds N [--seed N] [--plant] [--json]",
    "",
    ...[...known].map(([name, { describe }]) => `  ${name.padEnd(12)} ${describe}`),
    "",
    "Each run also fuzzes decoders with planted bugs, as a control; --plant fuzzes nothing else. The same seed gives each",
    "decoder the same inputs. --json prints one JSON object as the last line.",
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
        seed: { type: "string" },
        plant: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const seconds = number(values.seconds, 1, 604_800);
    const seed = values.seed === undefined ? randomBelow(2 ** 32 - 1) : number(values.seed, 0, 2 ** 32 - 1);
    return { ...values, positionals, seconds, seed };
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
  const { seed, plant, json } = options;
  if (options.seconds === undefined && !plant) {
    console.error(usage(targets));
    return 2;
  }
  const seconds = options.seconds ?? 0;
  // The seed is all it takes to have the same again.
  if (!json) console.log(`seed ${seed}`);
  const controls = await runControls({ target, seed, seconds });
  for (const name of controls.missed) console.error(`NOT FOUND ${name}: the fuzzer is broken`);
  const { executions, findings } = plant ? controls : await runInChild("target", { target, seed, seconds });
  for (const finding of findings) (json ? console.error : console.log)(describeFinding(finding));
  const planted_found = controls.missed.length === 0;
  const result = { target, seconds, executions, findings: findings.length, planted_found, seed };
  if (json) console.log(JSON.stringify(result));
  else for (const [key, value] of Object.entries(result)) console.log(`${key}: ${value}`);
  return findings.length === 0 && planted_found ? 0 : 1;
};

if (import.meta.filename === process.argv[1]) process.exitCode = await main(process.argv.slice(2));
