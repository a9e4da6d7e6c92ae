// npm run bench -- NAME [--json]: finds the benchmark of that name beside this file and runs it.

import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";

/** What a file of this folder exports to be a benchmark. */
export interface Bench {
  /** One sentence: what it measures, and against what. */
  readonly describe: string;
  /** Prints its progress unless `json`; resolves to the figures. */
  readonly run: (options: { readonly json: boolean }) => Promise<object>;
}

const isBench = (loaded: object): loaded is Bench => "describe" in loaded && "run" in loaded;

const names = readdirSync(import.meta.dirname)
  .filter((file) => /^[\w-]+\.ts$/.test(file) && file !== "run.ts")
  .map((file) => file.slice(0, -".ts".length))
  .toSorted();

// Only what is measured is loaded; what the others load could disturb it.
const load = async (name: string): Promise<Bench | undefined> => {
  const loaded = (await import(`./${name}.ts`)) as object;
  return isBench(loaded) ? loaded : undefined;
};

const loadAll = async (): Promise<Map<string, Bench>> => {
  const found = new Map<string, Bench>();
  for (const name of names) {
    const bench = await load(name);
    if (bench !== undefined) found.set(name, bench);
  }
  return found;
};

const usage = (known: ReadonlyMap<string, Bench>): string =>
  [
    "Usage: npm run bench -- NAME [--json]",
    "",
    ...[...known].map(([name, { describe }]) => `  ${name.padEnd(12)} ${describe}`),
    "",
    "--json prints one JSON object as the last line. Exit: 0 measured, 1 failed, 2 unknown name or argument.",
  ].join("\n");

/** Runs the command line; returns the exit code. */
export const main = async (args: readonly string[]): Promise<number> => {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: "boolean" }, help: { type: "boolean" } },
    });
  } catch {
    console.error(usage(await loadAll()));
    return 2;
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    console.log(usage(await loadAll()));
    return 0;
  }
  const [name, ...rest] = positionals;
  if (name === undefined) {
    console.error(usage(await loadAll()));
    return 2;
  }
  const bench = rest.length === 0 && names.includes(name) ? await load(name) : undefined;
  if (bench === undefined) {
    const known = [...(await loadAll()).keys()].join(", ");
    console.error(`No benchmark ${positionals.join(" ")}; there are: ${known || "none"}`);
    return 2;
  }
  const json = values.json === true;
  const figures = await bench.run({ json });
  if (json) console.log(JSON.stringify(figures));
  else for (const [key, value] of Object.entries(figures)) console.log(`${key}: ${JSON.stringify(value)}`);
  return 0;
};

if (import.meta.filename === process.argv[1]) process.exitCode = await main(process.argv.slice(2));
