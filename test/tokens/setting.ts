// What the token tests stand on: a key set, a redeemer over a spent set in memory, a wallet over a stored state.
import { randomFill } from "../../src/crypto/random.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { challengeDigest, tokenChallenge } from "../../tokens/challenge.ts";
import {
  blindBatch,
  finishBatch,
  finishedLengthOf,
  freshPending,
  PENDING_LENGTH,
  writeToken,
} from "../../tokens/blinding.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { IssuerKeys } from "../../tokens/keys.ts";
import type { SpentSet } from "../../tokens/holds.ts";
import { Redeemer } from "../../tokens/redeemer.ts";
import { tokenLengthOf } from "../../tokens/token.ts";
import { type TokenType, VOPRF } from "../../tokens/types.ts";

export const DAY = 86400;
/** A day in the middle of epoch 700. */
export const NOW = (700 * 30 + 10) * DAY;
export const ORIGIN = `${"a".repeat(56)}.onion`;

export const allocate = (size: number): Buffer => Buffer.alloc(size);

export class MemorySpentSet implements SpentSet {
  readonly #records = new Map<string, Uint8Array>();
  readonly #key = (epoch: number, name: Uint8Array): string => `${epoch}/${Buffer.from(name).toString("hex")}`;

  async lookup(epoch: number, spentName: Uint8Array): Promise<Uint8Array | undefined> {
    const key = this.#key(epoch, spentName);
    await new Promise((resolve) => setImmediate(resolve));
    return this.#records.get(key);
  }

  async commit(epoch: number, name: Uint8Array, binding: Uint8Array): Promise<void> {
    const [key, value] = [this.#key(epoch, name), Buffer.from(binding)];
    await new Promise((resolve) => setImmediate(resolve));
    this.#records.set(key, value);
  }
}

export interface Setting {
  readonly keys: IssuerKeys;
  readonly spent: MemorySpentSet;
  readonly redeemer: Redeemer;
  readonly clock: { now: number };
}

export async function makeSetting(origin = ORIGIN, types: readonly TokenType[] = [VOPRF]): Promise<Setting> {
  const clock = { now: NOW };
  const keys = new IssuerKeys(types);
  await keys.rotate(clock.now, async () => {});
  const spent = new MemorySpentSet();
  const secret = new GuardedKey(32, (memory) => void randomFill(memory));
  return { keys, spent, clock, redeemer: new Redeemer({ keys, origin, spent, secret, now: () => clock.now }) };
}

/** Tokens of a class, through the whole issuance protocol. */
export async function drawTokens(
  { keys, clock }: Setting,
  tokenClass: TokenClass,
  count: number,
  type: TokenType = VOPRF,
): Promise<Buffer[]> {
  const { publicKey } = keys.current(tokenClass, clock.now, type);
  const key = { publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN, type)) };
  const pending = Buffer.alloc(count * PENDING_LENGTH);
  freshPending(pending);
  const request = blindBatch(key, pending);
  const response = await issueBatch(keys, request, { maxBatch: 100, now: clock.now, allocate });
  const finished = Buffer.alloc(count * finishedLengthOf(type));
  finishBatch(finished, key, pending, request, response);
  return Array.from({ length: count }, (_, i) => writeToken(Buffer.alloc(tokenLengthOf(type)), key, finished, i));
}
