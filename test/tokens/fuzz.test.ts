import assert from "node:assert/strict";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { parseRequest, parseResponse } from "../../tokens/batch.ts";
import { blindBatch, finishBatch, FINISHED_LENGTH, freshPending, PENDING_LENGTH } from "../../tokens/blinding.ts";
import { challengeDigest, readAuthorization, tokenChallenge } from "../../tokens/challenge.ts";
import { decodeInvitation, encodeInvitation, makeInvitation } from "../../tokens/invitation.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { exportIssuerKey, importIssuerKey, KEY_RECORD_LENGTH } from "../../tokens/keys.ts";
import { parseToken } from "../../tokens/token.ts";
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
    const { keys, redeemer } = await makeSetting();
    const key = keys.current("deliver", NOW);
    const batch = { publicKey: key.publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN)) };
    const items = Buffer.alloc(2 * PENDING_LENGTH);
    freshPending(items);
    const request = blindBatch(batch, items);
    const options = { maxBatch: 3, now: NOW, allocate };
    const response = await issueBatch(keys, request, options);
    const invitation = makeInvitation(Buffer.alloc(162), keys, ORIGIN, NOW);
    const record = exportIssuerKey(Buffer.alloc(KEY_RECORD_LENGTH), key);
    const pending = { ...batch, class: key.class, epoch: key.epoch, pending: true, count: 2, items };
    const finished = { ...pending, pending: false, items: Buffer.alloc(2 * FINISHED_LENGTH) };
    const state = Buffer.alloc(stateLength([pending, finished]));
    encodeState(state, [pending, finished]);
    const out = Buffer.alloc(162);
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
    add("invitation", (bytes) => decodeInvitation(out, text(bytes)), line);
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
  ])
    it(`${name}: only Faults come out`, async () => {
      const { decode, valid, runs } = decoders.get(name)!;
      await onlyFaults(decode, valid, runs);
    });

  it("has a test for each", () => assert.equal(decoders.size, 11));

  it("control: finds a decoder that trusts a length byte", async () => {
    const { valid } = decoders.get("request")!;
    const trusting: Decoder = (bytes) => {
      if (bytes.length < 5 || bytes[1] !== 5) throw new Fault("token/batch");
      return Buffer.from(bytes).readUInt8(((bytes[3]! & 0x3f) << 8) | bytes[4]!);
    };
    await assert.rejects(onlyFaults(trusting, valid, 3000), (error: Error) => error.cause instanceof RangeError);
  });
});
