// Proof of work in the place of a token, where a house takes it for a registration: the slot, the seed, the search.
import { derive } from "../src/crypto/derive.ts";
import { randomFill } from "../src/crypto/random.ts";
import { leadingZeroBits, WORK_DIGEST_LENGTH, WORK_INPUT_LENGTH, workDigest, workInput } from "../src/crypto/work.ts";
import { Fault } from "../src/fault.ts";
import type { GuardedKey } from "../src/memory/guarded-key.ts";
import { isZero, lockedAlloc, wipe } from "../src/memory/locked.ts";

/** What a slot begins with (u16) when it holds work: from the range for private use, no token type (RFC 9577). */
export const WORK_TYPE = 0xf0d5;
/** u16 type || nonce(8) || zeros: as long as the longest token. */
export const WORK_SLOT_LENGTH = 354;
export const WORK_SEED_LENGTH = 32;
/** Leading zero bits that nobody is asked for more of: about ten minutes of one core. */
export const MAX_EFFORT = 16;

const NONCE_END = 10;
const REQUEST_ID_LENGTH = 16;
const SEED_LAST = WORK_SEED_LENGTH - 1;
const dayNumber = Buffer.alloc(4);

/**
 * Writes the seed of a day (days since 1970-01-01) into `out` (32 bytes). Its last bit is the day's own: the last bit of
 * a nonce must be the same, so that a solution made yesterday is told from one of today without trying both.
 */
export function workSeed<B extends Uint8Array>(out: B, secret: GuardedKey, day: number): B {
  dayNumber.writeUInt32BE(day);
  secret.use((key) => derive(out, "workSeed", key, dayNumber));
  out[SEED_LAST] = (out[SEED_LAST]! & 0xfe) | (day & 1);
  return out;
}

/** A slot's nonce, as a view. Fault `token/work` on anything but exactly one solution's form. */
export function parseWorkSlot(slot: Uint8Array): Uint8Array {
  const typed = slot[0] === WORK_TYPE >> 8 && slot[1] === (WORK_TYPE & 0xff);
  if (slot.length !== WORK_SLOT_LENGTH || !typed || !isZero(slot.subarray(NONCE_END))) throw new Fault("token/work");
  return slot.subarray(2, NONCE_END);
}

/** The latest day, `today` or the one before, whose seed this nonce can be for. */
export const dayOfNonce = (nonce: Uint8Array, today: number): number => today - ((today ^ nonce.at(-1)!) & 1);

export interface SolveOptions {
  /** Told after each try how many there were; 2^effort are to be expected. */
  readonly onProgress?: (tries: number) => void;
  /** Ends the search: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Searches a solution for `seed` (32 bytes), `requestId` (16) and `effort`, and writes its slot into `out` (354 bytes).
 * Each try runs on the thread pool. Fault `token/work` when more is asked for than anybody should be.
 */
export async function solve<B extends Uint8Array>(
  out: B,
  seed: Uint8Array,
  requestId: Uint8Array,
  effort: number,
  { onProgress, signal }: SolveOptions = {},
): Promise<B> {
  const fits = out.length === WORK_SLOT_LENGTH && seed.length === WORK_SEED_LENGTH;
  if (!fits || requestId.length !== REQUEST_ID_LENGTH || !(effort <= MAX_EFFORT)) throw new Fault("token/work");
  const memory = lockedAlloc(WORK_INPUT_LENGTH + WORK_DIGEST_LENGTH);
  const [input, digest] = [memory.subarray(0, WORK_INPUT_LENGTH), memory.subarray(WORK_INPUT_LENGTH)];
  out.fill(0);
  const nonce = out.subarray(2, NONCE_END);
  try {
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      randomFill(nonce);
      nonce[7] = (nonce[7]! & 0xfe) | (seed[SEED_LAST]! & 1);
      await workDigest(digest, workInput(input, seed, requestId, nonce));
      onProgress?.(tries);
      if (leadingZeroBits(digest) >= effort) break;
    }
    out[0] = WORK_TYPE >> 8;
    out[1] = WORK_TYPE & 0xff;
    return out;
  } finally {
    wipe(memory);
  }
}
