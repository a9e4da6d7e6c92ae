// Type 0x0002 against the classes of another implementation, as they come from its package: its clients draw from this
// issuer and spend here, and its issuers serve this client.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import {
  AuthorizationHeader,
  genericBatched,
  publicVerif,
  type Token,
  TOKEN_TYPES,
  Token as TheirToken,
  TokenChallenge,
  WWWAuthenticateHeader,
} from "@cloudflare/privacypass-ts";
import { readSpki } from "../../src/crypto/blind-rsa.ts";
import { blindBatch, finishBatch, freshPending, PENDING_LENGTH, writeToken } from "../../tokens/blinding.ts";
import { challengeDigest, challengeHeader, readAuthorization, tokenChallenge } from "../../tokens/challenge.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import type { IssuerKey } from "../../tokens/keys.ts";
import { BLIND_RSA } from "../../tokens/types.ts";
import { allocate, makeSetting, NOW, ORIGIN, type Setting } from "./setting.ts";

const { PSS } = publicVerif.BlindRSAMode;
const algorithm = { name: "RSA-PSS", hash: "SHA-384" };
const options = { maxBatch: 100, now: NOW, allocate };

describe("tokens of type 0x0002 and another implementation", () => {
  let setting: Setting;
  let key: IssuerKey;
  let theirs: publicVerif.Issuer;
  let theirPublicKey: webcrypto.CryptoKey;
  const challenge = new TokenChallenge(2, ORIGIN, new Uint8Array(0), [ORIGIN]);

  before(async () => {
    setting = await makeSetting(ORIGIN, [BLIND_RSA]);
    key = setting.keys.current("deliver", NOW, BLIND_RSA);
    const pkcs8 = key.secret.use((secret) => Uint8Array.from(secret));
    const spki = readSpki(key.publicKey).key.export({ format: "der", type: "spki" });
    theirPublicKey = await webcrypto.subtle.importKey("spki", Uint8Array.from(spki), algorithm, true, ["verify"]);
    const secret = await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
    theirs = new publicVerif.Issuer(PSS, ORIGIN, secret, theirPublicKey);
  });

  const spend = (token: Token): void => {
    const header = new AuthorizationHeader(token).toString();
    const bytes = readAuthorization(Buffer.alloc(354), header);
    assert.equal(setting.redeemer.check(bytes, "deliver", Buffer.alloc(32)).class, "deliver");
  };

  it("has one encoding of the key and one key id", async () => {
    assert.deepEqual(Buffer.from(await publicVerif.getPublicKeyBytes(theirPublicKey)), key.publicKey);
    assert.deepEqual(Buffer.from(await theirs.tokenKeyID()), key.keyId);
  });

  it("lets its client read the challenge, draw one token and spend it", async () => {
    const [read] = WWWAuthenticateHeader.parse(challengeHeader(tokenChallenge(ORIGIN, BLIND_RSA), key.publicKey));
    assert.ok(read !== undefined);
    assert.deepEqual(read.challenge, challenge);
    const client = new publicVerif.Client(PSS);
    const request = (await client.createTokenRequest(read.challenge, read.tokenKey)).serialize();
    const response = await issueBatch(setting.keys, request, options);
    const token = await client.finalize(client.deserializeTokenResponse(Uint8Array.from(response)));
    assert.ok(await theirs.verify(token));
    spend(token);
  });

  it("lets its client draw a generic batch and spend each token", async () => {
    const clients = Array.from({ length: 3 }, () => new publicVerif.Client(PSS));
    const singles: genericBatched.TokenRequest[] = [];
    for (const client of clients)
      singles.push(
        new genericBatched.TokenRequest(await client.createTokenRequest(challenge, Uint8Array.from(key.publicKey))),
      );
    const batch = new genericBatched.Client();
    const request = batch.createTokenRequest(singles).serialize();
    const response = batch.deserializeTokenResponse(
      Uint8Array.from(await issueBatch(setting.keys, request, options)),
    ).tokenResponses;
    assert.equal(response.length, 3);
    for (const [i, client] of clients.entries()) {
      const answer = response[i]?.tokenResponse;
      assert.ok(answer instanceof publicVerif.TokenResponse);
      spend(await client.finalize(answer));
    }
  });

  it("lets this client draw from its issuers, with the bytes of this one", async () => {
    const batchKey = { publicKey: key.publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN, BLIND_RSA)) };
    const pending = Buffer.alloc(2 * PENDING_LENGTH);
    freshPending(pending);
    const request = blindBatch(batchKey, pending);
    const read = genericBatched.BatchedTokenRequest.deserialize(Uint8Array.from(request));
    assert.deepEqual(Buffer.from(read.serialize()), request);
    const response = Buffer.from((await new genericBatched.Issuer(theirs).issue(read)).serialize());
    assert.deepEqual(response, await issueBatch(setting.keys, request, options));
    const finished = Buffer.alloc(2 * 288);
    finishBatch(finished, batchKey, pending, request, response);
    const origin = new publicVerif.Origin(PSS, [ORIGIN]);
    for (const i of [0, 1]) {
      const bytes = writeToken(Buffer.alloc(354), batchKey, finished, i);
      setting.redeemer.check(bytes, "deliver", Buffer.alloc(32));
      const token = TheirToken.deserialize(TOKEN_TYPES.BLIND_RSA, Uint8Array.from(bytes));
      assert.ok(await origin.verify(token, theirPublicKey));
    }
  });
});
