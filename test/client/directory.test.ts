import assert from "node:assert/strict";
import { verifyDirectory, type Pins } from "../../src/client/directory.ts";
import { domainOf } from "../../src/client/onion.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { encode, type ValueOf } from "../../src/wire/codec.ts";
import * as documents from "../../src/wire/documents.ts";
import { onionAddress } from "../../tor/onion-address.ts";

const DAY = 86400;
const now = 20000 * DAY + 4000;

interface Keys {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}
const keys = (): Keys => {
  const pair = { publicKey: Buffer.alloc(32), secretKey: Buffer.alloc(64) };
  signKeypair(pair.publicKey, pair.secretKey);
  return pair;
};
const signed = (body: Buffer, purpose: "directory" | "intermediate" | "revocations", by: Keys): Buffer =>
  Buffer.concat([body, sign(Buffer.alloc(64), purpose, by.secretKey, body)]);

const domain = Buffer.alloc(32, 1);
const root = keys();
const stranger = keys();
const server = keys();
const intermediate = (change: Partial<ValueOf<typeof documents.intermediate>> = {}, by = root): Buffer => {
  const value = { version: 1, key: Buffer.alloc(32, 3), notBefore: 19990, notAfter: 20010, ...change };
  return signed(encode(documents.intermediate, value, Buffer.alloc), "intermediate", by);
};
const revocations = (number: number, list: Buffer[], by = root): Buffer => {
  const value = { version: 1, number, issuedOn: 19995, keys: list };
  return signed(encode(documents.revocations, value, Buffer.alloc), "revocations", by);
};
const directory = (change: Partial<ValueOf<typeof documents.directory>> = {}, by = server): Buffer => {
  const value = {
    version: 1,
    domain,
    directoryKey: server.publicKey,
    rootKey: root.publicKey,
    deliveryKey: Buffer.alloc(32, 8),
    intermediate: intermediate(),
    earlier: [],
    revocations: Buffer.alloc(0),
    issuers: [],
    envelopeKeys: [{ publicKey: Buffer.alloc(32, 4), notAfter: now + 600 }],
    registration: 0,
    effort: 0,
    workSeed: Buffer.alloc(32),
    issuedAt: now,
    ...change,
  };
  return signed(encode(documents.directory, value, Buffer.alloc), "directory", by);
};
const pins: Pins = { directoryKey: server.publicKey, rootKey: root.publicKey, issuedAt: now, revocations: 0 };

describe("client/directory", () => {
  it("takes the server's own, at first sight and against its pins", () => {
    assert.deepEqual(verifyDirectory(directory(), domain, undefined, now).issuerKeys, [Buffer.alloc(32, 3)]);
    assert.equal(verifyDirectory(directory({ issuedAt: now + 5 }), domain, pins, now).issuedAt, now + 5);
  });

  it("takes what earlier intermediates signed while they are valid and the root has not revoked them", () => {
    const [old, older] = [Buffer.alloc(32, 5), Buffer.alloc(32, 6)];
    const earlier = [intermediate({ key: old }), intermediate({ key: older, notAfter: 19999 })];
    const issuers = (list: Buffer) =>
      verifyDirectory(directory({ earlier, revocations: list }), domain, undefined, now);
    assert.deepEqual(issuers(Buffer.alloc(0)).issuerKeys, [Buffer.alloc(32, 3), old]);
    const { issuerKeys, revoked } = issuers(revocations(7, [old]));
    assert.deepEqual([issuerKeys, revoked], [[Buffer.alloc(32, 3)], 7]);
  });

  const refusals: Record<string, [Buffer, Pins | undefined]> = {
    "another domain": [directory({ domain: Buffer.alloc(32, 2) }), undefined],
    "a signature of another key": [directory({}, stranger), undefined],
    "one changed bit": [Buffer.from(directory().map((byte, i) => (i === 100 ? byte ^ 1 : byte))), undefined],
    "another directory key than was pinned": [directory({ directoryKey: stranger.publicKey }, stranger), pins],
    "another root than was pinned": [
      directory({ rootKey: stranger.publicKey, intermediate: intermediate({}, stranger) }),
      pins,
    ],
    "an older one than was seen": [directory({ issuedAt: now - 1 }), pins],
    "one of yesterday's yesterday": [directory({ issuedAt: now - 2 * DAY }), undefined],
    "one from the future": [directory({ issuedAt: now + 2 * DAY }), undefined],
    "an intermediate that the root did not sign": [directory({ intermediate: intermediate({}, stranger) }), undefined],
    "an intermediate that has run out": [directory({ intermediate: intermediate({ notAfter: 19999 }) }), undefined],
    "an intermediate of the day after tomorrow": [
      directory({ intermediate: intermediate({ notBefore: 20002 }) }),
      undefined,
    ],
    "an intermediate that the root has revoked": [
      directory({ revocations: revocations(3, [Buffer.alloc(32, 3)]) }),
      undefined,
    ],
    "an earlier intermediate that the root did not sign": [
      directory({ earlier: [intermediate({ key: Buffer.alloc(32, 5) }, stranger)] }),
      undefined,
    ],
    "revocations that the root did not sign": [directory({ revocations: revocations(3, [], stranger) }), undefined],
    "a list of revocations older than one that was seen": [
      directory({ revocations: revocations(1, []) }),
      { ...pins, revocations: 2 },
    ],
    "no list of revocations where there was one": [directory(), { ...pins, revocations: 2 }],
    "no envelope key": [directory({ envelopeKeys: [] }), undefined],
    "another version": [directory({ version: 2 }), undefined],
    nothing: [Buffer.alloc(0), undefined],
    "too much": [Buffer.alloc(documents.DIRECTORY_MAX + 1), undefined],
  };
  for (const [what, [document, pinned]] of Object.entries(refusals)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => verifyDirectory(document, domain, pinned, now), { code: "server/identity" });
    });
  }

  it("reads the key that an onion address names", () => {
    assert.deepEqual(domainOf(onionAddress(server.publicKey)), server.publicKey);
    for (const wrong of ["", "example.com", "a".repeat(56), `${"a".repeat(56)}.onion`]) {
      assert.throws(() => domainOf(wrong), { code: "server/identity" });
    }
  });
});
