// The client's side of an amortized batch: blinded inputs out, checked tokens back.
import { randomFill } from "../src/crypto/random.ts";
import { blindInput, ELEMENT_LENGTH, freshBlind, isElement, unblind, verifyEvaluation } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { lockedAlloc, wipe } from "../src/memory/locked.ts";
import { layRequest, parseResponse, requestLength } from "./batch.ts";
import { NONCE_LENGTH, TOKEN_INPUT_LENGTH, TOKEN_LENGTH, tokenKeyId, writeTokenInput } from "./token.ts";

/** Per token of a batch that was asked for: nonce(32) || blind(32), secret. */
export const PENDING_LENGTH = 64;
/** Per token of a finished batch: nonce(32) || authenticator(64), secret. The rest is the same for all its tokens. */
export const FINISHED_LENGTH = 96;

/** What the tokens of one batch share. */
export interface BatchKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly challengeDigest: Uint8Array;
}

const input = lockedAlloc(TOKEN_INPUT_LENGTH);

const pendingOf = (pending: Uint8Array, i: number): { nonce: Uint8Array; blind: Uint8Array } => ({
  nonce: pending.subarray(i * PENDING_LENGTH, i * PENDING_LENGTH + NONCE_LENGTH),
  blind: pending.subarray(i * PENDING_LENGTH + NONCE_LENGTH, (i + 1) * PENDING_LENGTH),
});

/** Fills `pending` (64 locked bytes per token) with fresh nonces and blinds. */
export function freshPending(pending: Uint8Array): void {
  for (let i = 0; i < pending.length / PENDING_LENGTH; i++) {
    const { nonce, blind } = pendingOf(pending, i);
    randomFill(nonce);
    freshBlind(blind);
  }
}

/** The request for a batch; the same `pending` gives the same bytes. Fault `crypto/input` on a bad public key. */
export function blindBatch(key: BatchKey, pending: Uint8Array): Buffer {
  if (!isElement(key.publicKey)) throw new Fault("crypto/input");
  const keyId = tokenKeyId(key.publicKey);
  const count = pending.length / PENDING_LENGTH;
  const request = Buffer.alloc(requestLength(count));
  const elements = layRequest(request, keyId[31]!, count);
  try {
    for (let i = 0; i < count; i++) {
      const { nonce, blind } = pendingOf(pending, i);
      writeTokenInput(input, nonce, key.challengeDigest, keyId);
      blindInput(elements.subarray(i * ELEMENT_LENGTH, (i + 1) * ELEMENT_LENGTH), blind, input);
    }
    return request;
  } finally {
    wipe(input);
  }
}

/**
 * Checks a response against its request and writes the batch's tokens into `finished` (96 locked bytes per token).
 * Faults: `token/batch` (malformed, or another count), `token/invalid` (the proof is not the key's).
 */
export function finishBatch(
  finished: Uint8Array,
  key: BatchKey,
  pending: Uint8Array,
  request: Uint8Array,
  response: Uint8Array,
): void {
  const { evaluated, proof } = parseResponse(response);
  const count = pending.length / PENDING_LENGTH;
  if (evaluated.length !== count * ELEMENT_LENGTH) throw new Fault("token/batch");
  const blinded = request.subarray(request.length - evaluated.length);
  if (!verifyEvaluation(key.publicKey, blinded, evaluated, proof)) throw new Fault("token/invalid");
  const keyId = tokenKeyId(key.publicKey);
  try {
    for (let i = 0; i < count; i++) {
      const { nonce, blind } = pendingOf(pending, i);
      const out = finished.subarray(i * FINISHED_LENGTH, (i + 1) * FINISHED_LENGTH);
      writeTokenInput(input, nonce, key.challengeDigest, keyId);
      unblind(
        out.subarray(NONCE_LENGTH),
        input,
        blind,
        evaluated.subarray(i * ELEMENT_LENGTH, (i + 1) * ELEMENT_LENGTH),
      );
      out.set(nonce);
    }
  } finally {
    wipe(input);
  }
}

/** Writes token `i` of a finished batch into `out` (162 locked bytes). */
export function writeToken<B extends Uint8Array>(out: B, key: BatchKey, finished: Uint8Array, i: number): B {
  if (out.length !== TOKEN_LENGTH) throw new Fault("token/invalid");
  const token = finished.subarray(i * FINISHED_LENGTH, (i + 1) * FINISHED_LENGTH);
  writeTokenInput(out, token.subarray(0, NONCE_LENGTH), key.challengeDigest, tokenKeyId(key.publicKey));
  out.set(token.subarray(NONCE_LENGTH), TOKEN_INPUT_LENGTH);
  return out;
}
