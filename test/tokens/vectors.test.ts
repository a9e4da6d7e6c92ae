import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { parseResponse } from "../../tokens/batch.ts";
import { blindBatch, finishBatch, FINISHED_LENGTH, writeToken } from "../../tokens/blinding.ts";
import { challengeDigest } from "../../tokens/challenge.ts";
import { tokenClasses } from "../../tokens/classes.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { importIssuerKey, IssuerKeys } from "../../tokens/keys.ts";
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
