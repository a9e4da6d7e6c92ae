// Issuing and redeeming tokens of both types, each beside the bare primitive it consists of, in the same run.
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { LockedKey } from "../../src/memory/locked-key.ts";
import type { IssuerKeys } from "../../tokens/keys.ts";
import { Redeemer } from "../../tokens/redeemer.ts";
import { BLIND_RSA, type TokenType, VOPRF } from "../../tokens/types.ts";
import { bareOf } from "./tokens/bare.ts";
import { BATCH, beginBatch, makeKeys, NOW, ORIGIN } from "./tokens/batches.ts";
import { echoDuring, percentile } from "./tokens/echo.ts";
import { spendMillion, spendTogether } from "./tokens/spending.ts";

export const describe =
  "issue and redeem tokens of both types beside the bare primitives; bytes, spending at 64 clients, a million spent tokens, echo delay (a minute)";

const ROUNDS = 20;
/** Batches that are spent by 64 clients. */
const SPENT_BATCHES = 10;

// The lower quartile: other work on the machine only ever adds time.
const typical = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 2]!;
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Alternates the two so that both meet the same machine; ms per token. */
async function compare(house: () => unknown, bare: () => unknown) {
  const [ours, floor]: [number[], number[]] = [[], []];
  for (let turn = -2; turn < ROUNDS; turn++) {
    const [a, b] = [await timed(house), await timed(bare)];
    if (turn < 0) continue;
    ours.push(a / BATCH);
    floor.push(b / BATCH);
  }
  return { ms: typical(ours), bareMs: typical(floor) };
}

async function measure(keys: IssuerKeys, type: TokenType) {
  const { request, issue, finish } = beginBatch(keys, type);
  const blinding: number[] = [];
  const finishing: number[] = [];
  const tokens: Buffer[] = [];
  let response = await issue();
  for (let i = 0; i < SPENT_BATCHES; i++) {
    const start = performance.now();
    const batch = beginBatch(keys, type);
    blinding.push((performance.now() - start) / BATCH);
    response = await batch.issue();
    const answered = performance.now();
    tokens.push(...batch.finish(response));
    finishing.push((performance.now() - answered) / BATCH);
  }
  const token = finish(await issue())[0]!;
  const bare = bareOf(type, keys, request, token);
  const issued = await compare(issue, bare.issue);

  const secret = new LockedKey(32, (memory) => void randomFill(memory));
  const spent = { lookup: () => Promise.resolve(undefined) };
  const redeemer = new Redeemer({ keys, origin: ORIGIN, spent, secret, now: () => NOW });
  const requestId = randomBytes(16);
  const redeemed = await compare(async () => {
    for (let i = 0; i < BATCH; i++) (await redeemer.reserve(token, requestId, "deliver")).release();
  }, bare.redeem);
  secret.destroy();

  const busy = await echoDuring(async () => {
    for (let i = 0; i < ROUNDS; i++) await issue();
  });
  const idle = await echoDuring(() => new Promise((resolve) => setTimeout(resolve, 1000)));

  return {
    issue_per_second: Math.round(1000 / issued.ms),
    issue_bare_per_second: Math.round(1000 / issued.bareMs),
    issue_ratio: round(issued.bareMs / issued.ms, 3),
    redeem_per_second: Math.round(1000 / redeemed.ms),
    redeem_bare_per_second: Math.round(1000 / redeemed.bareMs),
    redeem_ratio: round(redeemed.bareMs / redeemed.ms, 3),
    server_ms_per_token: round(issued.ms + redeemed.ms, 3),
    client_ms_per_token: round(typical(blinding) + typical(finishing), 3),
    request_bytes: request.length,
    response_bytes: response.length,
    token_bytes: token.length,
    spent_per_second_64: Math.round(await spendTogether(keys, tokens)),
    echo_p99_ms_while_issuing: round(percentile(busy, 99), 1),
    echo_p50_ms_while_issuing: round(percentile(busy, 50), 1),
    echo_p99_ms_idle: round(percentile(idle, 99), 1),
  };
}

export async function run({ json }: { readonly json: boolean }): Promise<object> {
  const note = (text: string): void => {
    if (!json) console.log(text);
  };
  const keys = await makeKeys();
  const voprf = await measure(keys, VOPRF);
  note(`0x0005 ${JSON.stringify(voprf)}`);
  const blindRsa = await measure(keys, BLIND_RSA);
  note(`0x0002 ${JSON.stringify(blindRsa)}`);
  return {
    // The lower of the two types.
    issue_ratio: Math.min(voprf.issue_ratio, blindRsa.issue_ratio),
    redeem_ratio: Math.min(voprf.redeem_ratio, blindRsa.redeem_ratio),
    types: { "0x0005": voprf, "0x0002": blindRsa },
    million_spent: await spendMillion(note),
  };
}
