// The process that fuzzes: its parent watches that it goes on, and can end it in the middle of an input.
import { ftruncateSync, openSync, writeSync } from "node:fs";
import { type Campaign, type CampaignOptions, type Finding, runCampaign } from "./engine.ts";
import type { Job, Message } from "./messages.ts";
import { leaking, planted, stuck, type Planted } from "./planted.ts";
import { seeded } from "./random.ts";
import { isTarget } from "./target.ts";

/**
 * Bytes by which memory may have grown between the first quarter of a run and its end. Node 24 runs finalizers later than
 * Node 20: what waits for them levels off after some ten seconds only. The planted leak grows by six times this.
 */
const GROWTH = 96 << 20;
const LOCKED_GROWTH = 512 << 20;
/** Turns after which finalizers run: a decoder's locked memory is given back by the collector only. */
const TURNS_PER_COLLECTION = 20;

const job = JSON.parse(process.argv[2] ?? "") as Job;
const tell = (message: Message): void => void process.send?.(message);
const collect = (): void => globalThis.gc?.();

const current = openSync(job.current, "w");
const names = new Map<string, Buffer>();
const note = (name: string, input: Buffer): void => {
  let head = names.get(name);
  if (head === undefined) names.set(name, (head = Buffer.from(`${name}\0`)));
  ftruncateSync(current, head.length + input.length);
  writeSync(current, head, 0, head.length, 0);
  writeSync(current, input, 0, input.length, head.length);
};

const memory = (): { heap: number; all: number } => {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, all: rss };
};

const seconds = (since: number): number => (performance.now() - since) / 1000;

/** Runs and compares memory at the first quarter with the end. */
async function measured(options: Omit<CampaignOptions, "over" | "seed">, over: (c: Campaign) => boolean) {
  const began = performance.now();
  let early: { heap: number; all: number } | undefined;
  let turns = 0;
  const campaign = await runCampaign({
    ...options,
    seed: job.seed,
    before: note,
    beat: () => {
      tell({ beat: true });
      if (++turns % TURNS_PER_COLLECTION === 0) collect();
    },
    over(state) {
      if (early === undefined && seconds(began) > job.seconds / 4) early = memory();
      return over(state) || seconds(began) > job.seconds;
    },
  });
  const late = memory();
  const grown = early !== undefined && (late.heap - early.heap > GROWTH || late.all - early.all > LOCKED_GROWTH);
  const finding: Finding = { decoder: "all of them", kind: "memory", detail: "memory has grown", input: "" };
  return { ...campaign, findings: grown ? [...campaign.findings, finding] : campaign.findings };
}

const missedOf = (controls: readonly Planted[], { findings }: Campaign): string[] =>
  controls
    .filter(
      ({ name, expected }) =>
        !findings.some((f) => f.kind === expected && (f.decoder === name || expected === "memory")),
    )
    .map(({ name }) => name);

async function run(): Promise<{ done: Campaign; missed: readonly string[] }> {
  const random = seeded(job.seed, "corpus");
  if (job.mode === "target") {
    const loaded = (await import(`./${job.target}.ts`)) as object;
    if (!isTarget(loaded)) throw new Error(`${job.target} is no target`);
    return { done: await measured({ decoders: await loaded.decoders(random) }, () => false), missed: [] };
  }
  const controls = { planted: () => planted(random), stuck: () => [stuck(random)], leaking: () => [leaking(random)] };
  const decoders = controls[job.mode]();
  const found = (campaign: Campaign): boolean => missedOf(decoders, campaign).length === 0;
  const done = await measured({ decoders }, found);
  return { done, missed: missedOf(decoders, done) };
}

tell({ beat: true });
process.send?.((await run()) satisfies Message, undefined, undefined, () => process.exit(0));
