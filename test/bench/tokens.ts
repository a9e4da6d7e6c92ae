// Issuing and redeeming tokens of type 0x0005, each beside the bare group operations it consists of, in the same run.
import { monitorEventLoopDelay } from "node:perf_hooks";
import sodium from "libsodium-wrappers-sumo";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { blindBatch, freshPending, PENDING_LENGTH } from "../../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../../tokens/challenge.ts";
import { makeInvitation } from "../../tokens/invitation.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { IssuerKeys } from "../../tokens/keys.ts";
import { Redeemer } from "../../tokens/redeemer.ts";

export const describe = "issue and redeem tokens of type 0x0005, beside the bare group operations";

const NOW = 1_800_000_000;
const ORIGIN = `${"a".repeat(56)}.onion`;
const BATCH = 100;
const ROUNDS = 20;

// The lower quartile: other work on the machine only ever adds time.
const typical = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 2]!;

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Alternates the two so that both meet the same machine; ms per item. */
async function compare(items: number, house: () => unknown, bare: () => unknown) {
  const [ours, floor]: [number[], number[]] = [[], []];
  for (let round = -2; round < ROUNDS; round++) {
    const [a, b] = [await timed(house), await timed(bare)];
    if (round < 0) continue;
    ours.push(a / items);
    floor.push(b / items);
  }
  return { ms: typical(ours), bareMs: typical(floor) };
}

export async function run({ json }: { readonly json: boolean }): Promise<object> {
  const keys = new IssuerKeys();
  await keys.rotate(NOW, async () => {});
  const { publicKey } = keys.current("deliver", NOW);
  const pending = Buffer.alloc(BATCH * PENDING_LENGTH);
  freshPending(pending);
  const request = blindBatch({ publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN)) }, pending);
  const issue = (): Promise<Buffer> =>
    issueBatch(keys, request, { maxBatch: BATCH, now: NOW, allocate: (size) => Buffer.alloc(size) });

  // Per token: the evaluation, its weight and its share of the composite; per batch: Z and the proof's two commitments.
  const element = Uint8Array.from(request.subarray(5, 37));
  const scalar = sodium.crypto_core_ristretto255_scalar_random();
  const hash = randomBytes(64);
  const multiply = (): Uint8Array => sodium.crypto_scalarmult_ristretto255(scalar, element);
  const bareIssue = (): void => {
    for (let i = 0; i < BATCH; i++) {
      multiply();
      sodium.crypto_core_ristretto255_scalar_reduce(hash);
      sodium.crypto_core_ristretto255_add(element, multiply());
    }
    multiply();
    multiply();
    sodium.crypto_scalarmult_ristretto255_base(scalar);
  };
  const issued = await compare(BATCH, issue, bareIssue);
  if (!json) console.log(`issue  ${issued.ms.toFixed(3)} ms/token, bare ${issued.bareMs.toFixed(3)}`);

  const secret = new GuardedKey(32, (memory) => void randomFill(memory));
  const spent = { lookup: () => Promise.resolve(undefined) };
  const redeemer = new Redeemer({ keys, origin: ORIGIN, spent, secret, now: () => NOW });
  const token = makeInvitation(Buffer.alloc(162), keys, ORIGIN, NOW);
  const requestId = randomBytes(16);
  const redeem = async (): Promise<void> => {
    for (let i = 0; i < BATCH; i++) (await redeemer.reserve(token, requestId, "invite")).release();
  };
  const bareRedeem = (): void => {
    for (let i = 0; i < BATCH; i++)
      sodium.crypto_scalarmult_ristretto255(scalar, sodium.crypto_core_ristretto255_from_hash(hash));
  };
  const redeemed = await compare(BATCH, redeem, bareRedeem);
  if (!json) console.log(`redeem ${redeemed.ms.toFixed(3)} ms/token, bare ${redeemed.bareMs.toFixed(3)}`);

  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let i = 0; i < 5; i++) await issue();
  delay.disable();

  return {
    issue_per_second: Math.round(1000 / issued.ms),
    issue_bare_per_second: Math.round(1000 / issued.bareMs),
    issue_ratio: Number((issued.bareMs / issued.ms).toFixed(3)),
    redeem_per_second: Math.round(1000 / redeemed.ms),
    redeem_bare_per_second: Math.round(1000 / redeemed.bareMs),
    redeem_ratio: Number((redeemed.bareMs / redeemed.ms).toFixed(3)),
    event_loop_p99_ms_while_issuing: Number((delay.percentile(99) / 1e6).toFixed(1)),
  };
}
