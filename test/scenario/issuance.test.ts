import assert from "node:assert/strict";
import { windowOf } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";
import { tokenChallenge } from "../../tokens/challenge.ts";
import { genericLength, layGenericRequest } from "../../tokens/generic-batch.ts";
import { mediaTypes } from "../../tokens/request.ts";
import { BLIND_RSA, VOPRF, type TokenType } from "../../tokens/types.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import { tokenKeyId } from "../../tokens/token.ts";
import { newcomer, requestTokens } from "../http/foreign-client.ts";
import { requestRistretto } from "../http/ristretto-client.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { rawHouse, type RawAccount } from "../raw-account.ts";
import { replyOf } from "../raw-client.ts";
import { tokenClasses } from "../../tokens/classes.ts";

const SINGLE = mediaTypes.single.request;
const AMORTIZED = mediaTypes.amortized.request;
const GENERIC = mediaTypes.generic.request;

describe("[12.2] token requests over plain HTTP", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let account: RawAccount;
  let other: RawAccount;
  let accounts = 0;

  before(async () => {
    house = await startTestHouse({ policy: { types: [VOPRF, BLIND_RSA] } });
    other = await newcomer(house, "somebody.else");
  });
  after(() => house.stop());
  beforeEach(async () => {
    account = await newcomer(house, `drawer.${accounts++}`);
  });
  afterEach(() => assert.equal(house.arenas.open, 0));

  const keyOf = async (tokenClass: TokenClass, type: TokenType): Promise<Uint8Array> => {
    const { to, close } = await rawHouse(house);
    close();
    const length = type === VOPRF ? 32 : 342;
    const number = tokenClasses[tokenClass];
    const found = to.issuers.find(({ class: c, publicKey }) => c === number && publicKey.length === length);
    assert.ok(found !== undefined);
    return found.publicKey;
  };
  const requestFor = async (tokenClass: TokenClass, count = 1) =>
    requestRistretto(await keyOf(tokenClass, VOPRF), tokenChallenge(house.onion), count, count > 1);
  const status = async (mediaType: string, body: Uint8Array, authorization?: string): Promise<number> =>
    (await requestTokens(house, account, mediaType, body, authorization)).status;

  it("answers an identical request with identical bytes and another with 409, also across the envelope", async () => {
    const { body, finish } = await requestFor("deliver");
    const first = await requestTokens(house, account, SINGLE, body);
    const again = await requestTokens(house, account, SINGLE, body);
    assert.deepEqual([first.status, again.status], [200, 200]);
    assert.deepEqual(again.body, first.body);
    assert.equal(finish(again.body).length, 1);
    assert.equal(await status(SINGLE, (await requestFor("deliver")).body), 409);
    assert.equal(await status(AMORTIZED, (await requestFor("deliver", 2)).body), 409);
    assert.equal(await status(SINGLE, (await requestFor("connect")).body), 200);
    const raw = await rawHouse(house);
    const { userId, clientId, signer } = account;
    const request = { userId, clientId, tokenRequest: body };
    const sealed = await raw.ask({ operation: "as.issueTokens", request, signer });
    assert.deepEqual(Buffer.from(replyOf("as.issueTokens", sealed).tokenResponse), first.body);
    const second = { ...request, tokenRequest: (await requestFor("deliver")).body };
    assert.equal((await raw.ask({ operation: "as.issueTokens", request: second, signer })).code, "token/conflict");
    raw.close();
  });

  it("answers a batch so often and then 429", async () => {
    const { body } = await requestFor("deliver");
    const { answersPerBatch } = operations["as.issueTokens"].limits;
    for (let i = 0; i < answersPerBatch; i++) assert.equal(await status(SINGLE, body), 200);
    assert.equal(await status(SINGLE, body), 429);
  });

  it("gives two requests at once one batch", async () => {
    const bodies = [(await requestFor("create")).body, (await requestFor("create")).body];
    const statuses = await Promise.all(bodies.map((body) => status(SINGLE, body)));
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [200, 409],
    );
  });

  it("refuses with 401 whoever is not this client of this account, all alike", async () => {
    const { body } = await requestFor("deliver");
    const good = account.authorize(SINGLE, body);
    const id = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
    const bad = [
      good.replace(id(account.userId), id(Buffer.alloc(16, 9))),
      good.replace(id(account.clientId), id(Buffer.alloc(16, 9))),
      good.replace(id(account.userId), id(other.userId)),
      other.authorize(SINGLE, body).replace(id(other.userId), id(account.userId)),
      account.authorize(AMORTIZED, body),
      account.authorize(SINGLE, body.subarray(1)),
      account
        .authorize(SINGLE, body, windowOf(house.now()) - 1)
        .replace(/window="\d+"/, `window="${windowOf(house.now())}"`),
    ];
    for (const authorization of bad) {
      const reply = await requestTokens(house, account, SINGLE, body, authorization);
      assert.equal(reply.status, 401, authorization);
      assert.deepEqual(Object.fromEntries(reply.headers), {
        "content-length": "0",
        "content-type": "application/octet-stream",
        "www-authenticate": "Tacet",
      });
    }
    assert.equal(await status(SINGLE, body, good), 200, "control: as it was signed it passes");
  });

  it("takes the window beside its own and tells it to who is further off", async () => {
    const { body } = await requestFor("deliver");
    const here = windowOf(house.now());
    for (const window of [here - 1, here + 1])
      assert.equal(await status(SINGLE, body, account.authorize(SINGLE, body, window)), 200);
    for (const window of [0, here - 3, here + 3]) {
      const reply = await requestTokens(house, account, SINGLE, body, account.authorize(SINGLE, body, window));
      assert.equal(reply.status, 401);
      assert.match(reply.headers.get("www-authenticate") ?? "", /^Tacet window="\d+"$/);
    }
  });

  it("answers 422 to what no key of the issuer can process", async () => {
    const { body } = await requestFor("deliver");
    const at = (offset: number, ...bytes: number[]): Buffer => {
      const changed = Buffer.from(body);
      changed.set(bytes, offset);
      return changed;
    };
    const rsaKey = await keyOf("deliver", BLIND_RSA);
    const rsa = Buffer.concat([Buffer.from([0, 2]), tokenKeyId(rsaKey).subarray(31), Buffer.alloc(256, 0xff)]);
    const known = new Set<number>();
    for (const tokenClass of Object.keys(tokenClasses) as TokenClass[])
      known.add(tokenKeyId(await keyOf(tokenClass, VOPRF))[31]!);
    const unknown = Array.from({ length: 256 }, (_, i) => i).find((i) => !known.has(i))!;
    const mixed = Buffer.alloc(genericLength(2));
    layGenericRequest(mixed, tokenKeyId(rsaKey)[31]!, 2)[2]! ^= 1;
    const tooMany = requestRistretto(await keyOf("deliver", VOPRF), tokenChallenge(house.onion), 101, true);
    const bad: readonly [what: string, mediaType: string, body: Buffer][] = [
      ["unknown truncated id", SINGLE, at(2, unknown)],
      ["identity element", SINGLE, at(3, ...Buffer.alloc(32))],
      ["non-canonical element", SINGLE, at(3, ...Buffer.alloc(32, 0xff))],
      ["type 0x0001", SINGLE, at(1, 1)],
      ["trailing byte", SINGLE, Buffer.concat([body, Buffer.alloc(1)])],
      ["blinded message not below the modulus", SINGLE, rsa],
      ["two keys in one generic batch", GENERIC, mixed],
      ["empty batch", AMORTIZED, Buffer.concat([body.subarray(0, 3), Buffer.alloc(1)])],
      ["101 tokens", AMORTIZED, tooMany.body],
    ];
    for (const [what, mediaType, bytes] of bad) assert.equal(await status(mediaType, bytes), 422, what);
    assert.equal(await status(SINGLE, body), 200, "control: none of them counted as the batch");
  });

  it("gives no invitations in a closed house", async () => {
    assert.equal(await status(SINGLE, (await requestFor("invite")).body), 429);
  });

  it("asks for a token with the keys of the new epoch once it has begun, and refuses an old one in its time", async () => {
    const before = await requestFor("deliver");
    const old = (await requestFor("connect")).body;
    assert.equal(await status(SINGLE, before.body), 200);
    await house.advance(30 * 86_400);
    const fresh = await newcomer(house, "next.epoch");
    const after = house.serving.house.issuerDirectory().toString();
    assert.equal((JSON.parse(after) as { "token-keys": unknown[] })["token-keys"].length % 8, 0);
    await house.advance(8 * 86_400);
    assert.equal((await requestTokens(house, fresh, SINGLE, old)).status, 422);
  });
});
