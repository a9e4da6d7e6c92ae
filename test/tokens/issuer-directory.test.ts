import assert from "node:assert/strict";
import fc from "fast-check";
import { rsaKey } from "../fuzz/rsa-key.ts";
import { importBlindRsaKey } from "../../src/crypto/blind-rsa.ts";
import { buildIssuerDirectory } from "../../src/house/issuer-directory.ts";
import { MAX_DIRECTORY_LENGTH, MAX_LISTED_KEYS, parseIssuerDirectory } from "../../tokens/issuer-directory.ts";
import { VOPRF } from "../../tokens/types.ts";

const { publicKey, secret } = importBlindRsaKey(rsaKey());
const malformed = { code: "wire/malformed" };

/** The same key but for some bits of its modulus. */
const variant = (i: number): Buffer => {
  const other = Buffer.from(publicKey);
  other[200]! ^= i;
  return other;
};
const entry = (key: Uint8Array = publicKey, more: object = {}) => ({
  "token-type": 2,
  "token-key": Buffer.from(key).toString("base64url"),
  ...more,
});
const directory = (keys: unknown, more: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ "issuer-request-uri": "/token-request", "token-keys": keys, ...more }));
const parse = (document: Buffer) => parseIssuerDirectory(document, "deliver");

describe("tokens/issuer-directory", () => {
  after(() => secret.destroy());

  it("reads what a house of our own publishes, for one class", () => {
    const key = { class: "deliver" as const, epoch: 700, publicKey, notBefore: 21_000, notAfter: 21_036 };
    const document = buildIssuerDirectory([
      { ...key, type: 2 },
      { ...key, type: 2, class: "create", publicKey: variant(1) },
      { ...key, type: VOPRF, publicKey: Buffer.alloc(32, 1) },
    ]);
    assert.deepEqual(parse(document), [{ publicKey, notBefore: 21_000 * 86_400 }]);
    assert.deepEqual(parseIssuerDirectory(document, "connect"), []);
  });

  it("takes keys that name no class for the class that was configured, and passes over what it does not know", () => {
    const keys = [entry(), { "token-type": 1, "token-key": "?" }, entry(variant(1), { "not-before": 9, extra: [{}] })];
    assert.deepEqual(parse(directory(keys, { policy: {} })), [
      { publicKey, notBefore: 0 },
      { publicKey: variant(1), notBefore: 9 },
    ]);
  });

  for (const [title, document] of [
    ["what is not JSON", Buffer.from("{")],
    ["what is not UTF-8", Buffer.concat([directory([entry()], { a: "b" }).fill(0xff, 40, 41)])],
    ["a list", Buffer.from("[]")],
    ["no request URI", Buffer.from('{"token-keys":[]}')],
    ["no keys", Buffer.from('{"issuer-request-uri":"/x"}')],
    ["keys that are no list", directory({ length: 0 })],
    ["an entry that is no object", directory([entry(), null])],
    ["an entry without a type", directory([{ "token-key": entry()["token-key"] }])],
    ["padding", directory([entry(publicKey, { "token-key": `${entry()["token-key"]}=` })])],
    [
      "another alphabet",
      directory([entry(publicKey, { "token-key": publicKey.toString("base64").replace(/.$/, "+") })]),
    ],
    ["a key of another form", directory([entry(Buffer.from(publicKey).fill(0x06, 9, 10))])],
    ["an even modulus", directory([entry(Buffer.from(publicKey).fill(0, 336, 337))])],
    ["a short key", directory([entry(publicKey.subarray(0, 339))])],
    ["a time that is none", directory([entry(publicKey, { "not-before": -1 })])],
    ["half a second", directory([entry(publicKey, { "not-before": 1.5 })])],
    ["a time in words", directory([entry(publicKey, { "not-before": "1" })])],
    ["a time beyond six bytes", directory([entry(publicKey, { "not-before": 2 ** 48 })])],
    ["a key twice", directory([entry(), entry()])],
    ["too many keys", directory(Array.from({ length: MAX_LISTED_KEYS + 1 }, (_, i) => entry(variant(i))))],
    ["too many bytes", directory([entry()], { padding: "x".repeat(MAX_DIRECTORY_LENGTH) })],
  ] as const) {
    it(`refuses ${title}`, () => assert.throws(() => parse(document), malformed));
  }

  it("takes as many keys and bytes as it says (control)", () => {
    assert.equal(parse(directory(Array.from({ length: MAX_LISTED_KEYS }, (_, i) => entry(variant(i))))).length, 8);
    const room = MAX_DIRECTORY_LENGTH - directory([entry()], { padding: "" }).length;
    assert.equal(parse(directory([entry()], { padding: "x".repeat(room) })).length, 1);
    assert.throws(() => parse(directory([entry()], { padding: "x".repeat(room + 1) })), malformed);
  });

  it("gives keys or one refusal for any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (keys, more) => {
        for (const document of [directory(keys), directory([more]), Buffer.from(JSON.stringify(more))]) {
          try {
            parse(document);
          } catch (error) {
            assert.equal((error as Error).message, "wire/malformed");
          }
        }
      }),
    );
  });
});
