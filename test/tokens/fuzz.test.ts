import assert from "node:assert/strict";
import fc from "fast-check";
import { readSpki } from "../../src/crypto/blind-rsa.ts";
import { Fault } from "../../src/fault.ts";
import { parseRequest, parseResponse } from "../../tokens/batch.ts";
import {
  blindBatch,
  finishBatch,
  FINISHED_LENGTH,
  finishedLengthOf,
  freshPending,
  PENDING_LENGTH,
  writeToken,
} from "../../tokens/blinding.ts";
import { challengeDigest, readAuthorization, tokenChallenge } from "../../tokens/challenge.ts";
import { parseGenericRequest, parseGenericResponse } from "../../tokens/generic-batch.ts";
import { decodeInvitation, encodeInvitation, makeInvitation } from "../../tokens/invitation.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { exportIssuerKey, importIssuerKey, KEY_RECORD_LENGTH, keyRecordLength } from "../../tokens/keys.ts";
import { readRequest } from "../../tokens/request.ts";
import { parseToken } from "../../tokens/token.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { decodeState, encodeState, stateLength } from "../../tokens/wallet-state.ts";
import { allocate, makeSetting, NOW, ORIGIN } from "./setting.ts";

type Decoder = (bytes: Uint8Array) => unknown;

/** Valid bytes with some changed, cut off, doubled or put in. */
const mutated = (valid: Uint8Array): fc.Arbitrary<Uint8Array> => {
  const place = fc.nat(valid.length);
  return fc.oneof(
    fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((changes) => {
      const out = Buffer.from(valid);
      for (const [at, value] of changes) out[at] = value;
      return out;
    }),
    place.map((end) => Buffer.from(valid.subarray(0, end))),
    fc
      .tuple(place, fc.uint8Array({ maxLength: 40 }))
      .map(([at, more]) => Buffer.concat([valid.subarray(0, at), more, valid.subarray(at)])),
    fc.tuple(place, fc.uint8Array({ maxLength: 8 })).map(([at, head]) => Buffer.concat([head, valid.subarray(at)])),
  );
};

/** Runs a decoder on arbitrary and on mutated bytes; anything it throws that is no Fault fails. */
async function onlyFaults(decode: Decoder, valid: Uint8Array, numRuns: number): Promise<void> {
  const input = fc.oneof(fc.uint8Array({ maxLength: 300 }), { arbitrary: mutated(valid), weight: 3 });
  await decode(Buffer.from(valid));
  await fc.assert(
    fc.asyncProperty(input, async (bytes) => {
      try {
        await decode(bytes);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }),
    { numRuns },
  );
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

describe("tokens: every decoder on broken input", () => {
  const decoders = new Map<string, { decode: Decoder; valid: Uint8Array; runs: number }>();

  before(async () => {
    const { keys, redeemer } = await makeSetting(ORIGIN, [VOPRF, BLIND_RSA]);
    const key = keys.current("deliver", NOW);
    const batch = { publicKey: key.publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN)) };
    const items = Buffer.alloc(2 * PENDING_LENGTH);
    freshPending(items);
    const request = blindBatch(batch, items);
    const options = { maxBatch: 3, now: NOW, allocate };
    const response = await issueBatch(keys, request, options);
    const invitation = makeInvitation(Buffer.alloc(162), keys, ORIGIN, NOW);
    const record = exportIssuerKey(Buffer.alloc(KEY_RECORD_LENGTH), key);
    const rsaKey = keys.current("deliver", NOW, BLIND_RSA);
    const rsaBatch = {
      publicKey: rsaKey.publicKey,
      challengeDigest: challengeDigest(tokenChallenge(ORIGIN, BLIND_RSA)),
    };
    const rsaRequest = blindBatch(rsaBatch, items);
    const rsaResponse = await issueBatch(keys, rsaRequest, options);
    const rsaFinished = Buffer.alloc(2 * finishedLengthOf(BLIND_RSA));
    finishBatch(rsaFinished, rsaBatch, items, rsaRequest, rsaResponse);
    const rsaToken = writeToken(Buffer.alloc(354), rsaBatch, rsaFinished, 0);
    const rsaRecord = exportIssuerKey(Buffer.alloc(keyRecordLength(rsaKey)), rsaKey);
    const pending = { ...batch, class: key.class, epoch: key.epoch, pending: true, count: 2, items };
    const finished = { ...pending, pending: false, items: Buffer.alloc(2 * FINISHED_LENGTH) };
    const rsa = { ...finished, ...rsaBatch, items: rsaFinished };
    const state = Buffer.alloc(stateLength([pending, finished, rsa]));
    encodeState(state, [pending, finished, rsa]);
    const out = Buffer.alloc(354);
    const header = Buffer.from(`PrivateToken token=${invitation.toString("base64url")}`);
    const line = Buffer.from(encodeInvitation(ORIGIN, invitation));
    const add = (name: string, decode: Decoder, valid: Uint8Array, runs = 3000): unknown =>
      decoders.set(name, { decode, valid, runs });
    add("token", parseToken, invitation);
    add("redeemed token", (bytes) => redeemer.check(bytes, "invite", Buffer.alloc(32)), invitation, 500);
    add("request", parseRequest, request);
    add("identified request", (bytes) => identifyBatch(keys, bytes, options), request);
    add("answered request", (bytes) => issueBatch(keys, bytes, options), request, 300);
    add("response", parseResponse, response);
    add("finished response", (b) => finishBatch(Buffer.alloc(192), batch, items, request, b), response, 200);
    add("authorization", (bytes) => readAuthorization(out, text(bytes)), header);
    add("redeemed 0x0002", (bytes) => redeemer.check(bytes, "deliver", Buffer.alloc(32)), rsaToken, 1000);
    add("generic request", parseGenericRequest, rsaRequest);
    add("any request", readRequest, rsaRequest.subarray(2, 261));
    add("answered 0x0002", (bytes) => issueBatch(keys, bytes, options), rsaRequest, 200);
    add("generic response", parseGenericResponse, rsaResponse);
    add("finished 0x0002", (b) => finishBatch(Buffer.alloc(576), rsaBatch, items, rsaRequest, b), rsaResponse, 100);
    add("public key", readSpki, rsaKey.publicKey);
    add("key record 0x0002", importIssuerKey, rsaRecord, 300);
    add("invitation", (bytes) => decodeInvitation(out.subarray(0, 162), text(bytes)), line);
    add("key record", importIssuerKey, record, 500);
    add("wallet state", decodeState, state, 1000);
  });

  for (const name of [
    "token",
    "redeemed token",
    "request",
    "identified request",
    "answered request",
    "response",
    "finished response",
    "authorization",
    "invitation",
    "key record",
    "wallet state",
    "redeemed 0x0002",
    "generic request",
    "any request",
    "answered 0x0002",
    "generic response",
    "finished 0x0002",
    "public key",
    "key record 0x0002",
  ])
    it(`${name}: only Faults come out`, async () => {
      const { decode, valid, runs } = decoders.get(name)!;
      await onlyFaults(decode, valid, runs);
    });

  it("has a test for each", () => assert.equal(decoders.size, 19));

  it("control: finds a decoder that trusts a length byte", async () => {
    const { valid } = decoders.get("request")!;
    const trusting: Decoder = (bytes) => {
      if (bytes.length < 5 || bytes[1] !== 5) throw new Fault("token/batch");
      return Buffer.from(bytes).readUInt8(((bytes[3]! & 0x3f) << 8) | bytes[4]!);
    };
    await assert.rejects(onlyFaults(trusting, valid, 3000), (error: Error) => error.cause instanceof RangeError);
  });
});
