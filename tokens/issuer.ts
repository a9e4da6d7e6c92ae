// The issuer: answers a token request of any form, worked off in slices.
import { type BlindRsaKey, openSigner } from "../src/crypto/blind-rsa.ts";
import { evaluationSteps, type VoprfKey } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { isLive } from "./epochs.ts";
import type { IssuerKey, IssuerKeys } from "./keys.ts";
import { readRequest, type RequestForm, type RsaRequest, type TokenRequest, type VoprfRequest } from "./request.ts";
import { BLIND_RSA, VOPRF } from "./types.ts";

/** Tokens between two turns of the event loop: about 1 ms of either type. */
const SLICE = 4;

export interface BatchRequest {
  readonly key: IssuerKey;
  readonly count: number;
  readonly form: RequestForm;
}

export interface BatchLimits {
  /** Most tokens in one batch. */
  readonly maxBatch: number;
  /** Most invitations in one batch; 0, or nothing, where accounts draw none. */
  readonly maxInvitations?: number;
  /** Unix seconds. */
  readonly now: number;
}

function identify(keys: IssuerKeys, request: TokenRequest, limits: BatchLimits): IssuerKey {
  const { maxBatch, maxInvitations = 0, now } = limits;
  if (request.count > maxBatch) throw new Fault("token/batch");
  const key = keys.byTruncatedKeyId(request.truncatedKeyId, request.type);
  if (key === undefined || !isLive(key, now)) throw new Fault("token/unknown-key");
  if (key.class === "invite" && request.count > maxInvitations) throw new Fault("token/allowance");
  return key;
}

/**
 * What a request asks for, without issuing. Faults: `token/batch` (malformed, empty, more than `maxBatch`),
 * `token/unknown-key` (no live key of that type and truncated id), `token/allowance` (more than `maxInvitations`).
 */
export function identifyBatch(keys: IssuerKeys, request: Uint8Array, limits: BatchLimits): BatchRequest {
  const read = readRequest(request);
  return { key: identify(keys, read, limits), count: read.count, form: read.form };
}

// The private key is open as an OpenSSL key from the first step to the last.
function* signingSteps(out: Uint8Array, key: BlindRsaKey, request: RsaRequest): Generator<void, void, void> {
  const signatureAt = request.lay(out);
  const sign = openSigner(key);
  for (let i = 0; i < request.count; i++) {
    if (i > 0 && i % SLICE === 0) yield;
    sign(signatureAt(i), request.blinded(i));
  }
}

const evaluation = (out: Uint8Array, key: VoprfKey, request: VoprfRequest): Generator<void, void, void> =>
  evaluationSteps(request.lay(out), key, request.blinded, SLICE);

function stepsOf(out: Uint8Array, key: IssuerKey, request: TokenRequest): Generator<void, void, void> {
  if (key.type === VOPRF && request.type === VOPRF) return evaluation(out, key, request);
  if (key.type === BLIND_RSA && request.type === BLIND_RSA) return signingSteps(out, key, request);
  throw new Fault("token/unknown-key");
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * The response to a request, in memory from `allocate`. An identical request under the same key gets identical bytes.
 * `request` must stay as it is until the answer is there. Faults as `identifyBatch`; an element that is the identity or
 * not canonical, or a blinded message not below the modulus, is `token/batch` too.
 */
export async function issueBatch<B extends Uint8Array>(
  keys: IssuerKeys,
  request: Uint8Array,
  options: BatchLimits & { readonly allocate: (size: number) => B },
): Promise<B> {
  const read = readRequest(request);
  const key = identify(keys, read, options);
  const response = options.allocate(read.responseLength);
  try {
    const steps = stepsOf(response, key, read);
    while (steps.next().done !== true) await turn();
  } catch (error) {
    throw error instanceof Fault && error.code === "crypto/input" ? new Fault("token/batch") : error;
  }
  return response;
}
