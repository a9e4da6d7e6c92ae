import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { BlindRsaClient } from "../../src/crypto/blind-rsa-client.ts";
import { importBlindRsaKey, openSigner, readSpki, verifySignature } from "../../src/crypto/blind-rsa.ts";
import { parseResponse } from "../../tokens/batch.ts";
import { blindBatch, finishBatch, FINISHED_LENGTH, writeToken } from "../../tokens/blinding.ts";
import { challengeDigest } from "../../tokens/challenge.ts";
import { tokenClasses } from "../../tokens/classes.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { entryOf, layGenericRequest, parseGenericRequest, parseGenericResponse } from "../../tokens/generic-batch.ts";
import { importIssuerKey, IssuerKeys } from "../../tokens/keys.ts";
import { TOKEN_INPUT_LENGTH, tokenKeyId, writeTokenInput } from "../../tokens/token.ts";
import { BLIND_RSA } from "../../tokens/types.ts";
import { allocate, NOW } from "./setting.ts";

interface Vector {
  readonly secretKey: string;
  readonly publicKey: string;
  readonly challenge: string;
  readonly nonces: string[];
  readonly blinds: string[];
  readonly request: string;
  readonly response: string;
  readonly tokens: string[];
}

const folder = new URL("../../../shared/vectors/", import.meta.url);
const hex = (text: string | undefined): Buffer => Buffer.from(text ?? "", "hex");

// The two sources name the same fields differently.
const read = (file: string): Vector[] =>
  (JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Record<string, string & string[]>[]).map((v) => ({
    secretKey: v["skS"] ?? v["sk_s"]!,
    publicKey: v["pkS"] ?? v["pk_s"]!,
    challenge: v["token_challenge"]!,
    nonces: v["nonces"]!,
    blinds: v["blinds"]!,
    request: v["token_request"]!,
    response: v["token_response"]!,
    tokens: v["tokens"]!,
  }));

describe("tokens: published vectors of type 0x0005", () => {
  for (const file of ["privacypass-0x0005-go.json", "privacypass-0x0005-rust.json"])
    it(`${file}: request, evaluation and tokens byte for byte`, async function () {
      if (!existsSync(new URL(file, folder))) return this.skip(); // the foreign vectors are not beside the project
      const vectors = read(file);
      assert.equal(vectors.length, 5);
      for (const vector of vectors) {
        const key = { publicKey: hex(vector.publicKey), challengeDigest: challengeDigest(hex(vector.challenge)) };
        const pending = Buffer.concat(vector.nonces.flatMap((nonce, i) => [hex(nonce), hex(vector.blinds[i])]));
        const request = blindBatch(key, pending);
        assert.equal(request.toString("hex"), vector.request);

        const keys = new IssuerKeys();
        const head = Buffer.from([tokenClasses.deliver, 0, 5, 0, 0, 700 >> 8, 700 & 255]);
        keys.add(importIssuerKey(Buffer.concat([head, hex(vector.secretKey)])));
        const ours = await issueBatch(keys, request, { maxBatch: 100, now: NOW, allocate });
        const theirs = hex(vector.response);
        assert.deepEqual(parseResponse(ours).evaluated, parseResponse(theirs).evaluated);

        for (const response of [theirs, ours]) {
          const finished = Buffer.alloc(vector.nonces.length * FINISHED_LENGTH);
          finishBatch(finished, key, pending, request, response);
          vector.tokens.forEach((token, i) =>
            assert.equal(writeToken(Buffer.alloc(162), key, finished, i).toString("hex"), token),
          );
        }
      }
    });
});

// Keys and values as RFC 9578 appendix B.2 gives them; `skS` is a PEM file in hexadecimal.
interface RsaVector {
  readonly skS: string;
  readonly pkS: string;
  readonly token_challenge: string;
  readonly nonce: string;
  readonly blind: string;
  readonly salt: string;
  readonly token_request: string;
  readonly token_response: string;
  readonly token: string;
}

const fromPem = (text: string): Buffer =>
  Buffer.from(
    hex(text)
      .toString()
      .replaceAll(/-----[^-]*-----/g, ""),
    "base64",
  );
const list = <T>(file: string): T[] => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as T[];

/** The blinded message that the client makes of a vector's nonce, blind and salt. */
function blindedOf(vector: RsaVector): { readonly client: BlindRsaClient; input: Buffer; blinded: Buffer } {
  const client = new BlindRsaClient(readSpki(hex(vector.pkS)));
  const input = Buffer.alloc(TOKEN_INPUT_LENGTH);
  const digest = challengeDigest(hex(vector.token_challenge));
  writeTokenInput(input, BLIND_RSA, hex(vector.nonce), digest, tokenKeyId(hex(vector.pkS)));
  return { client, input, blinded: client.blindWith(Buffer.alloc(256), input, hex(vector.blind), hex(vector.salt)) };
}

/** An issuer with one vector's key. */
function issuerOf(vector: RsaVector): IssuerKeys {
  const keys = new IssuerKeys();
  const head = Buffer.from([tokenClasses.deliver, 0, 2, 0, 0, 700 >> 8, 700 & 255]);
  keys.add(importIssuerKey(Buffer.concat([head, fromPem(vector.skS)])));
  return keys;
}

describe("tokens: published vectors of type 0x0002", () => {
  for (const file of ["privacypass-0x0002-go.json", "privacypass-0x0002-rust.json"])
    it(`${file}: key, request, response and token byte for byte`, async function () {
      if (!existsSync(new URL(file, folder))) return this.skip(); // the foreign vectors are not beside the project
      const vectors = list<RsaVector>(file);
      assert.equal(vectors.length, 5);
      for (const vector of vectors) {
        const key = importBlindRsaKey(fromPem(vector.skS));
        assert.equal(key.publicKey.toString("hex"), vector.pkS);
        const { client, input, blinded } = blindedOf(vector);
        const request = Buffer.concat([Buffer.from([0, 2, tokenKeyId(key.publicKey)[31]!]), blinded]);
        assert.equal(request.toString("hex"), vector.token_request);
        const response = await issueBatch(issuerOf(vector), request, { maxBatch: 1, now: NOW, allocate });
        assert.equal(response.toString("hex"), vector.token_response);
        const signature = client.finalizeWith(Buffer.alloc(256), input, hex(vector.blind), response);
        assert.equal(Buffer.concat([input, signature]).toString("hex"), vector.token);
        assert.ok(verifySignature(readSpki(key.publicKey), input, signature));
      }
    });

  it("privacypass-generic-go.json: generic batches of this type", async function () {
    const file = "privacypass-generic-go.json";
    if (!existsSync(new URL(file, folder))) return this.skip(); // the foreign vectors are not beside the project
    type Generic = { issuance: (RsaVector & { type: string })[]; token_request: string; token_response: string };
    let checked = 0;
    for (const { issuance, token_request, token_response } of list<Generic>(file)) {
      const request = hex(token_request);
      if (issuance.some(({ type }) => type !== "0002")) {
        // Mixed with type 0x0001, which the house does not have.
        assert.throws(() => parseGenericRequest(request), { code: "token/batch" });
        continue;
      }
      const parsed = parseGenericResponse(hex(token_response));
      for (const [i, vector] of issuance.entries()) {
        const { client, input, blinded } = blindedOf(vector);
        const from = request.length - (issuance.length - i) * 259;
        assert.deepEqual(request.subarray(from + 3, from + 259), blinded);
        const signature = Buffer.alloc(256);
        openSigner(importBlindRsaKey(fromPem(vector.skS)))(signature, blinded);
        assert.deepEqual(signature, entryOf(parsed.list, i));
        client.finalizeWith(signature, input, hex(vector.blind), entryOf(parsed.list, i));
        assert.equal(Buffer.concat([input, signature]).toString("hex"), vector.token);
      }
      // Where all of a batch is of one key, the whole exchange is byte for byte this issuer's.
      if (new Set(issuance.map(({ pkS }) => pkS)).size === 1) {
        const made = Buffer.alloc(request.length);
        const entries = layGenericRequest(made, parseGenericRequest(request).truncatedKeyId, issuance.length);
        issuance.forEach((vector, i) => entryOf(entries, i).set(blindedOf(vector).blinded));
        assert.deepEqual(made, request);
        const answer = await issueBatch(issuerOf(issuance[0]!), request, { maxBatch: 2, now: NOW, allocate });
        assert.equal(answer.toString("hex"), token_response);
      }
      checked++;
    }
    assert.equal(checked, 2);
  });
});
