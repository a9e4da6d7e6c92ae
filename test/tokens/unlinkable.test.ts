import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import {
  blindInput,
  blindEvaluate,
  ELEMENT_LENGTH,
  freshBlind,
  PROOF_LENGTH,
  SCALAR_LENGTH,
  unblind,
} from "../../src/crypto/voprf.ts";
import { blindBatch, finishBatch, FINISHED_LENGTH, PENDING_LENGTH, writeToken } from "../../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../../tokens/challenge.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { TOKEN_INPUT_LENGTH, TOKEN_LENGTH } from "../../tokens/token.ts";
import { allocate, makeSetting, NOW, ORIGIN, type Setting } from "./setting.ts";

const COUNT = 20;
// 1, little-endian: a blind that blinds nothing.
const ONE = Buffer.alloc(SCALAR_LENGTH);
ONE[0] = 1;

interface Drawn {
  /** All that the issuer sees of a batch. */
  readonly request: Buffer;
  readonly response: Buffer;
  readonly tokens: readonly Buffer[];
}

async function draw(setting: Setting, nonces: readonly Buffer[], blindOf: () => Buffer): Promise<Drawn> {
  const { publicKey } = setting.keys.current("deliver", NOW);
  const key = { publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN)) };
  const pending = Buffer.concat(nonces.map((nonce) => Buffer.concat([nonce, blindOf()], PENDING_LENGTH)));
  const request = blindBatch(key, pending);
  const response = await issueBatch(setting.keys, request, { maxBatch: 100, now: NOW, allocate });
  const finished = Buffer.alloc(nonces.length * FINISHED_LENGTH);
  finishBatch(finished, key, pending, request, response);
  const tokens = nonces.map((_, i) => writeToken(Buffer.alloc(TOKEN_LENGTH), key, finished, i));
  return { request, response, tokens };
}

const freshNonces = (): Buffer[] => Array.from({ length: COUNT }, () => randomBytes(32));
const random = (): Buffer => {
  const blind = Buffer.alloc(SCALAR_LENGTH);
  freshBlind(blind);
  return blind;
};
const elements = (batch: Buffer): Buffer[] =>
  Array.from({ length: COUNT }, (_, i) => {
    const at = batch.length - (COUNT - i) * ELEMENT_LENGTH;
    return batch.subarray(at, at + ELEMENT_LENGTH);
  });

/** The pairs (place in the batch, token) that an issuer with all its keys finds to belong together. */
function links({ keys }: Setting, { request, response }: Drawn, tokens: readonly Buffer[]): string[] {
  const key = keys.current("deliver", NOW);
  const asked = elements(request);
  const given = elements(response.subarray(0, response.length - PROOF_LENGTH));
  return tokens.flatMap((token, t) => {
    const input = token.subarray(0, TOKEN_INPUT_LENGTH);
    const point = blindInput(Buffer.alloc(ELEMENT_LENGTH), ONE, input);
    const value = blindEvaluate(Buffer.alloc(ELEMENT_LENGTH + PROOF_LENGTH), key, point).subarray(0, ELEMENT_LENGTH);
    return asked.flatMap((element, e) => {
      const output = unblind(Buffer.alloc(64), input, ONE, given[e] ?? Buffer.alloc(0));
      const same =
        element.equals(point) || given[e]?.equals(value) || output.equals(token.subarray(TOKEN_INPUT_LENGTH));
      return same ? [`${e}:${t}`] : [];
    });
  });
}

/** Runs of eight bytes that the issuer saw and that stand in a token. */
function shared({ request, response }: Drawn, tokens: readonly Buffer[]): number {
  const seen = Buffer.concat([request, response]);
  const runs = new Set(Array.from({ length: seen.length - 7 }, (_, i) => seen.toString("latin1", i, i + 8)));
  const within = (token: Buffer): number =>
    Array.from({ length: token.length - 7 }, (_, i) => token.toString("latin1", i, i + 8)).filter((run) =>
      runs.has(run),
    ).length;
  return tokens.reduce((sum, token) => sum + within(token), 0);
}

describe("tokens: drawing and spending", () => {
  let setting: Setting;
  before(async () => {
    setting = await makeSetting();
  });

  // A request is r * H(input) with r uniform, so by itself it says nothing of the input; what is left to show is that r
  // leaves no trace in the token: then every request could have led to every token.
  it("have only the nonce in common: other blinds give another request and the very same tokens", async () => {
    const nonces = freshNonces();
    const [one, other] = [await draw(setting, nonces, random), await draw(setting, nonces, random)];
    assert.deepEqual(one.tokens, other.tokens);
    for (const element of elements(one.request)) assert.ok(!elements(other.request).some((e) => e.equals(element)));
  });

  it("cannot be linked by an issuer that has all its keys and all it saw", async () => {
    const drawn = await draw(setting, freshNonces(), random);
    assert.deepEqual(links(setting, drawn, drawn.tokens), []);
    assert.equal(shared(drawn, drawn.tokens), 0);
  });

  it("control: without blinding the same issuer links every token", async () => {
    const drawn = await draw(setting, freshNonces(), () => ONE);
    assert.deepEqual(
      links(setting, drawn, drawn.tokens),
      Array.from({ length: COUNT }, (_, i) => `${i}:${i}`),
    );
    const leaky = { ...drawn, request: Buffer.concat([drawn.request, drawn.tokens[3]!.subarray(2, 34)]) };
    assert.ok(shared(leaky, drawn.tokens) > 20);
  });
});
