// The client's side of a batch: blinded inputs out, checked tokens back. The public key says of which type; type 0x0005
// is done here, as one amortized batch, and type 0x0002 in tokens/blinding-rsa.ts.
import { randomFill } from "../src/crypto/random.ts";
import { blindInput, ELEMENT_LENGTH, freshBlind, isElement, unblind, verifyEvaluation } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { lockedAlloc, wipe } from "../src/memory/locked.ts";
import { layRequest, parseResponse, requestLength } from "./batch.ts";
import { blindRsaBatch, finishRsaBatch } from "./blinding-rsa.ts";
import {
  authenticatorLengths,
  NONCE_LENGTH,
  TOKEN_INPUT_LENGTH,
  tokenKeyId,
  tokenLengthOf,
  writeTokenInput,
} from "./token.ts";
import { BLIND_RSA, type TokenType, typeOfPublicKey, VOPRF } from "./types.ts";

/** Per token of a batch that was asked for, of either type: nonce(32) || blind or seed(32), secret. */
export const PENDING_LENGTH = 64;
/** Per token of a finished batch: nonce(32) || authenticator, secret. The rest is the same for all its tokens. */
export const finishedLengthOf = (type: TokenType): number => NONCE_LENGTH + authenticatorLengths[type];
/** The same of type 0x0005. */
export const FINISHED_LENGTH = 96;

/** What the tokens of one batch share. */
export interface BatchKey {
  /** 32 bytes of type 0x0005, 342 of type 0x0002. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly challengeDigest: Uint8Array;
}

const input = lockedAlloc(TOKEN_INPUT_LENGTH);

const pendingOf = (pending: Uint8Array, i: number): { nonce: Uint8Array; blind: Uint8Array } => ({
  nonce: pending.subarray(i * PENDING_LENGTH, i * PENDING_LENGTH + NONCE_LENGTH),
  blind: pending.subarray(i * PENDING_LENGTH + NONCE_LENGTH, (i + 1) * PENDING_LENGTH),
});

/**
 * Fills `pending` (64 locked bytes per token) with fresh nonces and blinds. A blind of type 0x0005 serves as a seed of
 * type 0x0002 as well: it is as good as uniform, and used for one token only.
 */
export function freshPending(pending: Uint8Array): void {
  for (let i = 0; i < pending.length / PENDING_LENGTH; i++) {
    const { nonce, blind } = pendingOf(pending, i);
    randomFill(nonce);
    freshBlind(blind);
  }
}

/** The request for a batch; the same `pending` gives the same bytes. Fault `crypto/input` on a bad public key. */
export function blindBatch(key: BatchKey, pending: Uint8Array): Buffer {
  if (typeOfPublicKey(key.publicKey) === BLIND_RSA) return blindRsaBatch(key, pending);
  if (!isElement(key.publicKey)) throw new Fault("crypto/input");
  const keyId = tokenKeyId(key.publicKey);
  const count = pending.length / PENDING_LENGTH;
  const request = Buffer.alloc(requestLength(count));
  const elements = layRequest(request, keyId[31]!, count);
  try {
    for (let i = 0; i < count; i++) {
      const { nonce, blind } = pendingOf(pending, i);
      writeTokenInput(input, VOPRF, nonce, key.challengeDigest, keyId);
      blindInput(elements.subarray(i * ELEMENT_LENGTH, (i + 1) * ELEMENT_LENGTH), blind, input);
    }
    return request;
  } finally {
    wipe(input);
  }
}

/**
 * Checks a response against its request and writes the batch's tokens into `finished` (96 or 288 locked bytes per
 * token). Faults: `token/batch` (malformed, or another count), `token/invalid` (proof or signature is not the key's).
 */
export function finishBatch(
  finished: Uint8Array,
  key: BatchKey,
  pending: Uint8Array,
  request: Uint8Array,
  response: Uint8Array,
): void {
  if (typeOfPublicKey(key.publicKey) === BLIND_RSA)
    return finishRsaBatch(finished, finishedLengthOf(BLIND_RSA), key, pending, response);
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
      writeTokenInput(input, VOPRF, nonce, key.challengeDigest, keyId);
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

/** Writes token `i` of a finished batch into `out` (162 or 354 locked bytes). */
export function writeToken<B extends Uint8Array>(out: B, key: BatchKey, finished: Uint8Array, i: number): B {
  const type = typeOfPublicKey(key.publicKey);
  if (out.length !== tokenLengthOf(type)) throw new Fault("token/invalid");
  const length = finishedLengthOf(type);
  const token = finished.subarray(i * length, (i + 1) * length);
  writeTokenInput(out, type, token.subarray(0, NONCE_LENGTH), key.challengeDigest, tokenKeyId(key.publicKey));
  out.set(token.subarray(NONCE_LENGTH), TOKEN_INPUT_LENGTH);
  return out;
}
