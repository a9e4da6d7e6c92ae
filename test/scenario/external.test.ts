import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { EPOCH_DAYS } from "../../tokens/epochs.ts";
import { EXTERNAL_KEY_EPOCHS } from "../../tokens/external.ts";
import { VOPRF } from "../../tokens/types.ts";
import { tokenChallenge } from "../../tokens/challenge.ts";
import { directoryOf, drawForeign, startIssuer } from "../external.ts";
import { discover } from "../http/foreign-client.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";

const DAY = 86400;
const BUDGET = 4;
const nobody = { name: Buffer.from("nobody") };

describe("[4.8] tokens of another issuer", function () {
  this.timeout(60_000);
  let issuer: TestHouse;
  let house: TestHouse;
  let raw: RawHouse;
  let asked: string[];
  let answer: () => Promise<Uint8Array>;

  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.stop());
  beforeEach(async () => {
    asked = [];
    answer = () => directoryOf(issuer);
    house = await startTestHouse({
      policy: { externalIssuers: [{ onion: issuer.onion, class: "discover", dailyBudget: BUDGET }] },
      fetchDirectory(onion) {
        asked.push(onion);
        return answer();
      },
    });
    await fetched();
    raw = await rawHouse(house);
  });
  afterEach(async () => {
    raw.close();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  const fetched = () => house.serving.house.external?.refresh(house.now());
  /** The client after the house was started anew, or its clock moved. */
  const again = async (change: Promise<void>): Promise<void> => {
    await change;
    await fetched();
    raw.close();
    raw = await rawHouse(house);
  };
  const draw = (count: number, origin = house.onion) => drawForeign(issuer, "discover", count, { origin });
  const one = async (count = 1): Promise<Buffer> => {
    const [token] = await draw(count);
    assert.ok(token !== undefined);
    return token;
  };
  const spend = async (token: Buffer, requestId: Uint8Array = randomBytes(16)): Promise<string> =>
    (await raw.ask({ operation: "as.discover", request: nobody, token, requestId })).code;

  it("spends a token of another issuer once, also across a restart, and answers a retry", async () => {
    const token = await one();
    const requestId = randomBytes(16);
    assert.deepEqual(asked, [issuer.onion]);
    assert.equal(await spend(token, requestId), "ok");
    assert.equal(await spend(token), "token/spent");
    assert.equal(await spend(token, requestId), "ok");
    await again(house.restart());
    assert.equal(await spend(token), "token/spent");
    assert.equal(await spend(token, requestId), "ok");
  });

  it("lets one of two requests at once have it", async () => {
    const token = await one();
    const codes = await Promise.all([spend(token), spend(token), spend(token)]);
    assert.deepEqual(codes.toSorted(), ["ok", "token/spent", "token/spent"]);
  });

  it("refuses other origins, issuers and classes, and what was not signed", async () => {
    const good = await one();
    for (const challenge of [
      { origin: issuer.onion }, // the issuer's own
      { origin: house.onion, issuer: house.onion },
      { origin: house.onion, issuer: `${"a".repeat(56)}.onion` },
    ]) {
      const [token] = await drawForeign(issuer, "discover", 1, challenge);
      assert.equal(await spend(token!), "token/invalid");
    }
    const connect = { operation: "as.connect", request: { ...nobody, offer: Buffer.alloc(2048) } } as const;
    assert.equal((await raw.ask({ ...connect, token: good })).code, "token/invalid");
    const [deliver] = await drawForeign(issuer, "deliver", 1, { origin: house.onion });
    assert.equal(await spend(deliver!), "token/unknown-key");
    for (const at of [1, 2, 40, 66, 98, 353]) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      assert.match(await spend(bad), /^token\/(invalid|unknown-key)$/, String(at));
    }
    assert.equal(await spend(good), "ok");
  });

  it("takes no token of an issuer that nobody named, nor the issuer's other type", async () => {
    const other = await startIssuer();
    try {
      const [token] = await drawForeign(other, "discover", 1, { origin: house.onion });
      assert.equal(await spend(token!), "token/unknown-key");
    } finally {
      await other.stop();
    }
    const plain = await startTestHouse();
    const rawIssuer = await rawHouse(plain);
    try {
      const account = await rawAccount(plain, rawIssuer, "plain.one");
      assert.equal(await spend((await account.draw("discover", 1))[0]!), "token/unknown-key");
    } finally {
      rawIssuer.close();
      await plain.stop();
    }
  });

  it("still takes its own", async () => {
    const account = await rawAccount(house, raw, "at.home");
    for (const token of await account.draw("discover", BUDGET + 2)) assert.equal(await spend(token), "ok");
    assert.equal(await spend(await one()), "ok");
  });

  it("takes as many a day as its budget says, also at once and after a restart; the others are good tomorrow", async () => {
    const tokens = await draw(BUDGET + 3);
    const ids = tokens.map(() => randomBytes(16));
    const codes = await Promise.all(tokens.map((token, i) => spend(token, ids[i])));
    assert.equal(codes.filter((code) => code === "ok").length, BUDGET, codes.join());
    assert.equal(codes.filter((code) => code === "token/budget").length, 3, codes.join());
    const [taken, left] = [codes.indexOf("ok"), codes.flatMap((code, i) => (code === "ok" ? [] : [i]))];
    for (let i = 0; i < 3; i++) assert.equal(await spend(tokens[taken]!, ids[taken]), "ok"); // a retry counts nothing
    const refused = await raw.ask({ operation: "as.discover", request: nobody, token: tokens[left[0]!]! });
    assert.deepEqual([refused.code, refused.status], ["token/budget", 401]);
    await again(house.restart());
    assert.equal(await spend(tokens[left[0]!]!), "token/budget");
    await again(house.advance(DAY));
    for (const i of left) assert.equal(await spend(tokens[i]!), "ok");
    assert.equal(await spend(tokens[taken]!), "token/spent");
    assert.equal(await spend(await one()), "ok"); // the fourth of that day
    assert.equal(await spend(await one()), "token/budget");
  });

  it("counts no request that was none", async () => {
    const tokens = await draw(BUDGET + 2);
    const bad = { operation: "as.discover", request: Buffer.from("not a request") } as const;
    for (const token of tokens) assert.equal((await raw.ask({ ...bad, token })).code, "wire/malformed");
    const codes: string[] = [];
    for (const token of tokens) codes.push(await spend(token));
    assert.deepEqual(codes, [...Array<string>(BUDGET).fill("ok"), "token/budget", "token/budget"]);
  });

  it("keeps an issuer's keys when it cannot be asked, and starts with them", async () => {
    answer = () => Promise.reject(new Error("gone"));
    await again(house.advance(2 * DAY));
    assert.equal(asked.length, 2);
    assert.equal(await spend(await one()), "ok");
    await again(house.restart());
    assert.equal(await spend(await one()), "ok");
    answer = () => Promise.resolve(Buffer.from("{}"));
    await again(house.advance(DAY));
    assert.equal(await spend(await one()), "ok");
    answer = () => new Promise(() => undefined); // never comes: nobody waits for it, and it does not keep the house up
    await house.advance(DAY);
    assert.ok(asked.length > 4);
  });

  it("takes no token of a key that its issuer has withdrawn, until it is listed again", async () => {
    const [first, second] = await draw(2);
    answer = () => Promise.resolve(Buffer.from('{"issuer-request-uri":"/token-request","token-keys":[]}'));
    await again(house.advance(2 * DAY));
    assert.equal(await spend(first!), "token/unknown-key");
    answer = () => directoryOf(issuer);
    await again(house.advance(2 * DAY));
    assert.equal(await spend(second!), "ok");
  });

  it("takes a key for three epochs from when it was first seen, however long it is listed, and spends once in all of them", async () => {
    const [first, second, third] = await draw(3);
    assert.equal(await spend(first!), "ok");
    const left = EPOCH_DAYS - (Math.floor(house.now() / DAY) % EPOCH_DAYS);
    await again(house.advance((left + (EXTERNAL_KEY_EPOCHS - 1) * EPOCH_DAYS - 1) * DAY));
    assert.equal(await spend(first!), "token/spent");
    assert.equal(await spend(second!), "ok");
    await again(house.advance(DAY));
    for (const token of [first, second, third]) assert.equal(await spend(token!), "token/unknown-key");
    await again(house.advance(2 * EPOCH_DAYS * DAY)); // its spent records are gone by now
    await again(house.restart());
    for (const token of [first, second, third]) assert.equal(await spend(token!), "token/unknown-key");
  });

  it("asks for it in its challenge, beside its own", async () => {
    const { challenge = "" } = await discover(house);
    const found = [...challenge.matchAll(/challenge="([^"]+)", token-key="([^"]+)"/g)].map(([, text]) => text);
    const expected = [tokenChallenge(house.onion, VOPRF), tokenChallenge(house.onion, 2, issuer.onion)];
    assert.deepEqual(
      found.map((text) => Buffer.from(text ?? "", "base64url")),
      expected,
    );
  });
});
