import assert from "node:assert/strict";
import {
  fetchToken,
  genericBatched,
  MediaType,
  publicVerif,
  TOKEN_TYPES,
  WWWAuthenticateHeader,
  AuthorizationHeader,
} from "@cloudflare/privacypass-ts";
import { tokenChallenge } from "../../tokens/challenge.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { discover, fetchThrough, newcomer, plain, requestTokens } from "../http/foreign-client.ts";
import { requestRistretto } from "../http/ristretto-client.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import type { RawAccount } from "../raw-account.ts";

interface IssuerDirectory {
  readonly "issuer-request-uri": string;
  readonly "token-keys": readonly {
    readonly "token-type": number;
    readonly "token-key": string;
    readonly "not-before": number;
    readonly "tacet-class": string;
  }[];
}

const SINGLE = "application/private-token-request";
const AMORTIZED = "application/private-token-amortized-batch-request";

describe("[12] foreign clients of Privacy Pass", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let account: RawAccount;
  let accounts = 0;

  before(async () => {
    house = await startTestHouse({ policy: { types: [VOPRF, BLIND_RSA] } });
  });
  after(async () => {
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });
  beforeEach(async () => {
    account = await newcomer(house, `foreign.${accounts++}`);
  });

  const directory = async (): Promise<IssuerDirectory> => {
    const reply = await plain(house, "GET /.well-known/private-token-issuer-directory");
    assert.equal(reply.headers.get("content-type"), MediaType.PRIVATE_TOKEN_ISSUER_DIRECTORY);
    return JSON.parse(reply.body.toString()) as IssuerDirectory;
  };
  const keyOf = async (type: number, tokenClass: string): Promise<Buffer> => {
    const listed = (await directory())["token-keys"];
    const found = listed.find((key) => key["token-type"] === type && key["tacet-class"] === tokenClass);
    return Buffer.from(found?.["token-key"] ?? "", "base64url");
  };
  const spend = async (authorization: string): Promise<void> => {
    assert.equal((await discover(house, authorization)).code, "ok");
    assert.equal((await discover(house, authorization)).code, "token/spent");
  };
  const challenges = async (): Promise<WWWAuthenticateHeader[]> => {
    const { status, challenge } = await discover(house);
    assert.equal(status, 401);
    return WWWAuthenticateHeader.parse(challenge ?? "");
  };

  it("find a directory with the keys of the classes that accounts draw, newest first", async () => {
    const { "issuer-request-uri": uri, "token-keys": keys } = await directory();
    assert.equal(uri, "/token-request");
    const shown = keys.map((key) => `${key["token-type"]} ${key["tacet-class"]}`).toSorted();
    const classes = ["connect", "create", "deliver", "discover"];
    assert.deepEqual(
      shown,
      [BLIND_RSA, VOPRF].flatMap((type) => classes.map((name) => `${type} ${name}`)),
    );
    for (const key of keys) {
      const bytes = Buffer.from(key["token-key"], "base64url");
      assert.equal(bytes.length, key["token-type"] === VOPRF ? 32 : 342);
      assert.equal(key["token-key"].length % 4, 0, "with padding");
      assert.ok(key["not-before"] <= house.now() && key["not-before"] > house.now() - 31 * 86_400);
    }
    const raw = (await directory())["token-keys"].map((key) => key["token-key"]);
    const current = house.serving.house.challenge("invite");
    assert.ok(!raw.some((key) => current.includes(key)), "no key of class invite");
  });

  it("are asked for either type of token, in a header that another implementation reads", async () => {
    const read = await challenges();
    assert.deepEqual(
      read.map(({ challenge }) => challenge.tokenType),
      [VOPRF, BLIND_RSA],
    );
    for (const { challenge, tokenKey } of read) {
      assert.deepEqual(challenge.originInfo, [house.onion]);
      assert.deepEqual(Buffer.from(tokenKey), await keyOf(challenge.tokenType, "discover"));
    }
  });

  it("draw one token of type 0x0002 with unmodified code of theirs, from challenge to spending", async () => {
    const header = (await challenges()).find(({ challenge }) => challenge.tokenType === TOKEN_TYPES.BLIND_RSA.value);
    assert.ok(header !== undefined);
    const usual = globalThis.fetch;
    globalThis.fetch = fetchThrough(house, () => account);
    try {
      const authorization = await fetchToken(new publicVerif.Client(publicVerif.BlindRSAMode.PSS), header);
      await spend(authorization.toString());
    } finally {
      globalThis.fetch = usual;
    }
  });

  it("draw a generic batch of type 0x0002 with unmodified code of theirs", async () => {
    const header = (await challenges()).find(({ challenge }) => challenge.tokenType === TOKEN_TYPES.BLIND_RSA.value);
    assert.ok(header !== undefined);
    const clients = Array.from({ length: 3 }, () => new publicVerif.Client(publicVerif.BlindRSAMode.PSS));
    const singles: genericBatched.TokenRequest[] = [];
    for (const client of clients) {
      const single = await client.createTokenRequest(header.challenge, header.tokenKey);
      singles.push(new genericBatched.TokenRequest(single));
    }
    const batch = new genericBatched.Client();
    const body = batch.createTokenRequest(singles).serialize();
    const reply = await requestTokens(house, account, MediaType.ARBITRARY_BATCHED_TOKEN_REQUEST, body);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("content-type"), MediaType.ARBITRARY_BATCHED_TOKEN_RESPONSE);
    const { tokenResponses } = batch.deserializeTokenResponse(Uint8Array.from(reply.body));
    for (const [i, client] of clients.entries()) {
      const answer = tokenResponses[i]?.tokenResponse;
      assert.ok(answer instanceof publicVerif.TokenResponse);
      await spend(new AuthorizationHeader(await client.finalize(answer)).toString());
    }
  });

  for (const [mediaType, count] of [
    [SINGLE, 1],
    [AMORTIZED, 1],
    [AMORTIZED, 3],
    [AMORTIZED, 100],
  ] as const) {
    it(`draw ${count} of type 0x0005 as ${mediaType}`, async () => {
      const key = await keyOf(VOPRF, "discover");
      const request = requestRistretto(key, tokenChallenge(house.onion), count, mediaType === AMORTIZED);
      const reply = await requestTokens(house, account, mediaType, request.body);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get("content-type"), mediaType.replace("-request", "-response"));
      const tokens = request.finish(reply.body);
      assert.equal(tokens.length, count);
      for (const token of tokens.slice(-2)) await spend(`PrivateToken token="${token.toString("base64url")}"`);
      const other = requestRistretto(await keyOf(VOPRF, "connect"), tokenChallenge(house.onion), count, false);
      assert.throws(() => other.finish(reply.body), "control: a proof of another key is refused");
    });
  }
});
