// A house's keys of both types, and tokens drawn from them: what the benchmarks of tokens work on.
import {
  blindBatch,
  finishBatch,
  finishedLengthOf,
  freshPending,
  PENDING_LENGTH,
  writeToken,
} from "../../../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../../../tokens/challenge.ts";
import { issueBatch } from "../../../tokens/issuer.ts";
import { IssuerKeys } from "../../../tokens/keys.ts";
import { tokenLengthOf } from "../../../tokens/token.ts";
import { allTokenTypes, type TokenType } from "../../../tokens/types.ts";

export const NOW = 1_800_000_000;
export const ORIGIN = `${"a".repeat(56)}.onion`;
export const BATCH = 100;

export async function makeKeys(): Promise<IssuerKeys> {
  const keys = new IssuerKeys(allTokenTypes);
  await keys.rotate(NOW, async () => {});
  return keys;
}

export interface DrawnBatch {
  readonly request: Buffer;
  issue(): Promise<Buffer>;
  /** The tokens of a response. */
  finish(response: Buffer): Buffer[];
}

export function beginBatch(keys: IssuerKeys, type: TokenType): DrawnBatch {
  const { publicKey } = keys.current("deliver", NOW, type);
  const key = { publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN, type)) };
  const pending = Buffer.alloc(BATCH * PENDING_LENGTH);
  freshPending(pending);
  const request = blindBatch(key, pending);
  return {
    request,
    issue: () => issueBatch(keys, request, { maxBatch: BATCH, now: NOW, allocate: (size) => Buffer.alloc(size) }),
    finish(response) {
      const finished = Buffer.alloc(BATCH * finishedLengthOf(type));
      finishBatch(finished, key, pending, request, response);
      return Array.from({ length: BATCH }, (_, i) => writeToken(Buffer.alloc(tokenLengthOf(type)), key, finished, i));
    },
  };
}
