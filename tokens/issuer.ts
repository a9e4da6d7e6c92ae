// The issuer's side of an amortized batch: one proof for all its tokens, worked off in slices.
import { ELEMENT_LENGTH, evaluationSteps } from "../src/crypto/voprf.ts";
import { Fault } from "../src/fault.ts";
import { layResponse, parseRequest, responseLength } from "./batch.ts";
import { isLive } from "./epochs.ts";
import type { IssuerKey, IssuerKeys } from "./keys.ts";

/** Elements between two turns of the event loop: about 3 ms. */
const SLICE = 10;

export interface BatchRequest {
  readonly key: IssuerKey;
  readonly count: number;
  /** A view of the request: `count` elements, not yet checked. */
  readonly blinded: Uint8Array;
}

export interface BatchLimits {
  /** Most tokens in one batch. */
  readonly maxBatch: number;
  /** Unix seconds. */
  readonly now: number;
}

/**
 * What a request asks for, without issuing. Faults: `token/batch` (malformed, empty, more than `maxBatch`),
 * `token/unknown-key` (no live key of that truncated id, or the class `invite`: invitations are made, never drawn).
 */
export function identifyBatch(keys: IssuerKeys, request: Uint8Array, limits: BatchLimits): BatchRequest {
  const { truncatedKeyId, blinded } = parseRequest(request);
  const count = blinded.length / ELEMENT_LENGTH;
  if (count > limits.maxBatch) throw new Fault("token/batch");
  const key = keys.byTruncatedKeyId(truncatedKeyId);
  if (key === undefined || key.class === "invite" || !isLive(key, limits.now)) throw new Fault("token/unknown-key");
  return { key, count, blinded };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * The response to a request, in memory from `allocate`. An identical request under the same key gets identical bytes.
 * `request` must stay as it is until the answer is there. Faults as `identifyBatch`; an element that is the identity or
 * not canonical is `token/batch` too.
 */
export async function issueBatch<B extends Uint8Array>(
  keys: IssuerKeys,
  request: Uint8Array,
  options: BatchLimits & { readonly allocate: (size: number) => B },
): Promise<B> {
  const { key, count, blinded } = identifyBatch(keys, request, options);
  const response = options.allocate(responseLength(count));
  try {
    const steps = evaluationSteps(layResponse(response, count), key, blinded, SLICE);
    while (steps.next().done !== true) await turn();
  } catch (error) {
    throw error instanceof Fault && error.code === "crypto/input" ? new Fault("token/batch") : error;
  }
  return response;
}
