// Keys, requests, responses and tokens of both types, all drawn from one seeded stream.
import { issueBatch } from "../../tokens/issuer.ts";
import { blindBatch, finishBatch, finishedLengthOf, PENDING_LENGTH, writeToken } from "../../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../../tokens/challenge.ts";
import { importIssuerKey, type IssuerKey, IssuerKeys } from "../../tokens/keys.ts";
import { tokenLengthOf } from "../../tokens/token.ts";
import type { Random } from "./random.ts";
import { rsaKey } from "./rsa-key.ts";

export const EPOCH = 700;
/** A day in the middle of the epoch. */
export const NOW = (EPOCH * 30 + 10) * 86400;
export const ORIGIN = `${"a".repeat(56)}.onion`;
export const MAX_BATCH = 3;

export const allocate = (size: number): Buffer => Buffer.alloc(size);

/** A scalar below 2^252, so canonical, and not zero. */
const scalar = (random: Random): Buffer => {
  const out = random.bytes(32);
  out[0]! |= 1;
  out[31]! &= 0x0f;
  return out;
};

const record = (type: number, secret: Uint8Array): Buffer => {
  const head = Buffer.from([5, type >> 8, type & 0xff, 0, 0, 0, 0]);
  head.writeUInt32BE(EPOCH, 3);
  return Buffer.concat([head, secret]);
};

/** What belongs together: a key of class `deliver`, a batch drawn from it, and its tokens. */
export interface Drawn {
  readonly key: IssuerKey;
  readonly record: Buffer;
  readonly challengeDigest: Buffer;
  readonly pending: Buffer;
  readonly request: Buffer;
  readonly response: Buffer;
  readonly finished: Buffer;
  readonly tokens: readonly Buffer[];
}

async function draw(keys: IssuerKeys, key: IssuerKey, stored: Buffer, random: Random): Promise<Drawn> {
  const count = 2;
  const digest = challengeDigest(tokenChallenge(ORIGIN, key.type));
  const batch = { publicKey: key.publicKey, challengeDigest: digest };
  const pending = Buffer.concat(
    Array.from({ length: count }, () => Buffer.concat([random.bytes(PENDING_LENGTH - 32), scalar(random)])),
  );
  const request = blindBatch(batch, pending);
  const response = await issueBatch(keys, request, { maxBatch: MAX_BATCH, now: NOW, allocate });
  const finished = Buffer.alloc(count * finishedLengthOf(key.type));
  finishBatch(finished, batch, pending, request, response);
  const tokens = Array.from({ length: count }, (_, i) =>
    writeToken(Buffer.alloc(tokenLengthOf(key.type)), batch, finished, i),
  );
  return { key, record: stored, challengeDigest: digest, pending, request, response, finished, tokens };
}

export interface TokenSetting {
  readonly keys: IssuerKeys;
  /** One of each type. */
  readonly drawn: readonly Drawn[];
}

export async function tokenSetting(random: Random): Promise<TokenSetting> {
  const keys = new IssuerKeys();
  const records = [record(0x0005, scalar(random)), record(0x0002, rsaKey())];
  const imported = records.map((stored) => importIssuerKey(stored));
  for (const key of imported) keys.add(key);
  const drawn: Drawn[] = [];
  for (const [i, key] of imported.entries()) drawn.push(await draw(keys, key, records[i]!, random));
  return { keys, drawn };
}
