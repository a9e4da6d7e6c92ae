// The client's side of a batch of type 0x0002: each token's blind and salt come from one seed, so that what waits for
// the answer is as small as for type 0x0005 and gives the same request again.
import { BlindRsaClient, SEED_LENGTH } from "../src/crypto/blind-rsa-client.ts";
import { readSpki } from "../src/crypto/blind-rsa.ts";
import { Fault } from "../src/fault.ts";
import { lockedAlloc, wipe } from "../src/memory/locked.ts";
import { entryOf, genericLength, layGenericRequest, parseGenericResponse } from "./generic-batch.ts";
import { NONCE_LENGTH, TOKEN_INPUT_LENGTH, tokenKeyId, writeTokenInput } from "./token.ts";
import { BLIND_RSA } from "./types.ts";

/** Per token of a batch that was asked for: nonce(32) || seed(32). */
const PENDING_LENGTH = NONCE_LENGTH + SEED_LENGTH;

export interface RsaBatchKey {
  /** 342 bytes. */
  readonly publicKey: Uint8Array;
  readonly challengeDigest: Uint8Array;
}

const input = lockedAlloc(TOKEN_INPUT_LENGTH);

const pendingOf = (pending: Uint8Array, i: number): { nonce: Uint8Array; seed: Uint8Array } => ({
  nonce: pending.subarray(i * PENDING_LENGTH, i * PENDING_LENGTH + NONCE_LENGTH),
  seed: pending.subarray(i * PENDING_LENGTH + NONCE_LENGTH, (i + 1) * PENDING_LENGTH),
});

/** The request for a batch; the same `pending` gives the same bytes. Fault `crypto/input` on a bad public key. */
export function blindRsaBatch(key: RsaBatchKey, pending: Uint8Array): Buffer {
  const client = new BlindRsaClient(readSpki(key.publicKey));
  const keyId = tokenKeyId(key.publicKey);
  const count = pending.length / PENDING_LENGTH;
  const request = Buffer.alloc(genericLength(count));
  const list = layGenericRequest(request, keyId[31]!, count);
  try {
    for (let i = 0; i < count; i++) {
      const { nonce, seed } = pendingOf(pending, i);
      client.blind(entryOf(list, i), writeTokenInput(input, BLIND_RSA, nonce, key.challengeDigest, keyId), seed);
    }
    return request;
  } finally {
    wipe(input);
  }
}

/**
 * Writes the batch's tokens into `finished`, `length` locked bytes each: nonce(32) || signature(256). Faults:
 * `token/batch` (malformed, or another count), `token/invalid` (a signature is not the key's).
 */
export function finishRsaBatch(
  finished: Uint8Array,
  length: number,
  key: RsaBatchKey,
  pending: Uint8Array,
  response: Uint8Array,
): void {
  const client = new BlindRsaClient(readSpki(key.publicKey));
  const { count, list } = parseGenericResponse(response);
  if (count !== pending.length / PENDING_LENGTH) throw new Fault("token/batch");
  const keyId = tokenKeyId(key.publicKey);
  try {
    for (let i = 0; i < count; i++) {
      const { nonce, seed } = pendingOf(pending, i);
      const out = finished.subarray(i * length, (i + 1) * length);
      writeTokenInput(input, BLIND_RSA, nonce, key.challengeDigest, keyId);
      client.finalize(out.subarray(NONCE_LENGTH), input, seed, entryOf(list, i));
      out.set(nonce);
    }
  } catch (error) {
    throw error instanceof Fault && error.code === "crypto/input" ? new Fault("token/batch") : error;
  } finally {
    wipe(input);
  }
}
