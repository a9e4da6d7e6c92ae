// What proof of work costs: to check a solution, and to find one of each effort, on the pool and beside the bare hash.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { WORK_INPUT_LENGTH, workDigest } from "../../src/crypto/work.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { solve } from "../../tokens/work.ts";
import { WorkGate } from "../../tokens/work-gate.ts";

export const describe = "check and find proof of work (Argon2id, 16 MiB), efforts 0 to 8";

const NOW = 1_800_000_000;
const CHECKS = 100;
const EFFORTS = 9;
const SOLUTIONS = 5;

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export async function run({ json }: { readonly json: boolean }): Promise<object> {
  const secret = new GuardedKey(32, (memory) => void randomFill(memory));
  const spent = { lookup: () => Promise.resolve(undefined) };
  const bounds = { effort: 0, minEffort: 0, maxEffort: 16, perHour: 60, queue: 16 };
  const gate = new WorkGate({ ...bounds, secret, spent, now: NOW });
  const seed = Buffer.alloc(32);
  gate.terms(seed, NOW);

  const [digest, input] = [Buffer.alloc(16), randomBytes(WORK_INPUT_LENGTH)];
  const requestId = randomBytes(16);
  const slot = await solve(Buffer.alloc(354), seed, requestId, 0);
  const [checks, bare]: [number[], number[]] = [[], []];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let i = 0; i < CHECKS; i++) {
    checks.push(await timed(async () => (await gate.reserve(slot, requestId, NOW)).release()));
    bare.push(await timed(() => workDigest(digest, input)));
  }
  delay.disable();

  const solving: number[] = [];
  for (let effort = 0; effort < EFFORTS; effort++) {
    const times: number[] = [];
    for (let i = 0; i < SOLUTIONS; i++)
      times.push(await timed(() => solve(Buffer.alloc(354), seed, randomBytes(16), effort)));
    const mean = times.reduce((sum, ms) => sum + ms, 0) / SOLUTIONS;
    solving.push(Math.round(mean));
    if (!json) console.log(`effort ${effort}: ${mean.toFixed(0)} ms`);
  }
  return {
    check_ms: Number(median(checks).toFixed(2)),
    bare_hash_ms: Number(median(bare).toFixed(2)),
    check_ratio: Number((median(bare) / median(checks)).toFixed(3)),
    event_loop_p99_ms_while_checking: Number((delay.percentile(99) / 1e6).toFixed(1)),
    /** By effort, the mean of five searches. */
    solve_ms: solving,
  };
}
