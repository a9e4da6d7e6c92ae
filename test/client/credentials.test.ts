import assert from "node:assert/strict";
import {
  makeIntroduction,
  signDocument,
  verifyConnectionPackage,
  verifyCredential,
  verifyIntroduction,
  type CredentialSigner,
  type Identity,
} from "../../src/client/credentials.ts";
import type { ServerDirectory } from "../../src/client/directory.ts";
import { openOffer, sealOffer } from "../../src/client/offers.ts";
import { ReceiverKey } from "../../src/crypto/hpke.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { encode, type ValueOf } from "../../src/wire/codec.ts";
import * as documents from "../../src/wire/documents.ts";

const DAY = 86400;
const now = 20000 * DAY;
const fill = (n: number, size = 32): Buffer => Buffer.alloc(size, n);

interface Keys {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}
const keys = (): Keys => {
  const pair = { publicKey: Buffer.alloc(32), secretKey: Buffer.alloc(64) };
  signKeypair(pair.publicKey, pair.secretKey);
  return pair;
};
const issuer = keys();
const server = { domain: fill(1), issuerKeys: [issuer.publicKey] } as unknown as ServerDirectory;
const signerOf =
  ({ secretKey }: Keys): CredentialSigner =>
  (out, purpose, ...parts) =>
    sign(out, purpose, secretKey, ...parts);

const credential = (
  client: Keys,
  change: Partial<ValueOf<typeof documents.credential>> = {},
  by = issuer,
  purpose: "credential" | "intermediate" = "credential",
): Buffer => {
  const value = {
    version: 1,
    userId: fill(2, 16),
    clientId: fill(3, 16),
    name: Buffer.from("alice"),
    domain: server.domain,
    clientKey: client.publicKey,
    issuer: issuer.publicKey,
    notBefore: 20000,
    notAfter: 20090,
    ...change,
  };
  const body = encode(documents.credential, value, Buffer.alloc);
  return Buffer.concat([body, sign(Buffer.alloc(64), purpose, by.secretKey, body)]);
};

const alice = keys();
const mallory = keys();
const identityOf = (client: Keys, name = "alice"): Identity =>
  verifyCredential(credential(client, { name: Buffer.from(name) }), server, now);
const unverified = { code: "contact/unverified" };

describe("client/credentials", () => {
  it("takes a credential of the server's intermediate for the name that was asked for", () => {
    const identity = verifyCredential(credential(alice), server, now, "alice");
    assert.equal(identity.name, "alice");
    assert.deepEqual(identity.clientKey, alice.publicKey);
    assert.throws(() => verifyCredential(credential(alice), server, now, "alicia"), unverified);
  });

  const forgeries: Record<string, Buffer> = {
    "signed by another key": credential(alice, {}, mallory),
    "signed for another purpose": credential(alice, {}, issuer, "intermediate"),
    "of another server": credential(alice, { domain: fill(9) }),
    "naming another issuer": credential(alice, { issuer: mallory.publicKey }),
    "that has run out": credential(alice, { notBefore: 19800, notAfter: 19999 }),
    "that is not valid yet": credential(alice, { notBefore: 20002 }),
    "with a name that is none": credential(alice, { name: Buffer.from("Al ice") }),
    "of another version": credential(alice, { version: 2 }),
    "with a byte behind it": Buffer.concat([credential(alice), Buffer.alloc(1)]),
    "cut short": credential(alice).subarray(0, 100),
  };
  for (const [what, document] of Object.entries(forgeries)) {
    it(`refuses a credential ${what}`, () => {
      assert.throws(() => verifyCredential(document, server, now), unverified);
    });
  }

  it("takes an introduction only from the key of the credential in it", () => {
    const leaf = { pseudonym: fill(4, 16), leafKey: fill(5) };
    const own = makeIntroduction(identityOf(alice), signerOf(alice), leaf);
    const found = verifyIntroduction(own, server, now);
    assert.equal(found.identity.name, "alice");
    assert.deepEqual([found.pseudonym, found.leafKey], [leaf.pseudonym, leaf.leafKey]);
    // Somebody else's credential with one's own signature: the name is not one's own.
    const stolen = makeIntroduction(identityOf(alice), signerOf(mallory), leaf);
    assert.throws(() => verifyIntroduction(stolen, server, now), unverified);
    const moved = Buffer.from(own);
    moved[own.length - 64 - 1] = moved[own.length - 64 - 1]! ^ 1;
    assert.throws(() => verifyIntroduction(moved, server, now), unverified);
  });

  it("takes a connection package only from its owner, and in its time", () => {
    const body = encode(
      documents.connectionPackage,
      { version: 1, sealKey: fill(6), notAfter: 20010, lastResort: 0 },
      Buffer.alloc,
    );
    const document = signDocument(body, "connectionPackage", signerOf(alice));
    assert.deepEqual(verifyConnectionPackage(document, identityOf(alice), now), fill(6));
    assert.throws(() => verifyConnectionPackage(document, identityOf(mallory), now), unverified);
    assert.throws(() => verifyConnectionPackage(document, identityOf(alice), now + 11 * DAY), unverified);
  });
});

describe("client/offers", () => {
  const content = { kind: "request", clientList: fill(9, 40), body: fill(7, 60) } as const;
  const key = new ReceiverKey("connectionOffer");
  const other = new ReceiverKey("connectionOffer");

  it("opens for its receiver and nobody else", () => {
    const sealed = sealOffer(identityOf(alice), content, signerOf(alice), key.publicKey);
    assert.equal(sealed.length, documents.OFFER_LENGTH);
    const offer = openOffer(sealed, key, server, now);
    assert.equal(offer?.from.name, "alice");
    assert.deepEqual([offer.kind, offer.clientList, Buffer.from(offer.body)], [1, fill(9, 40), fill(7, 60)]);
    assert.equal(openOffer(sealed, other, server, now), undefined);
    for (const wrong of [Buffer.alloc(0), sealed.subarray(0, 48), sealed.subarray(0, -1)]) {
      assert.equal(openOffer(wrong, key, server, now), undefined);
    }
  });

  it("does not count when somebody else signed it, or when it was meant for another", () => {
    const forged = sealOffer(identityOf(alice), content, signerOf(mallory), key.publicKey);
    assert.equal(openOffer(forged, key, server, now), undefined);
    // A receiver who seals what it got to a third party: the signature names the first receiver's key.
    const redirect: CredentialSigner = (out, purpose, _sealKey, ...rest) =>
      sign(out, purpose, alice.secretKey, key.publicKey, ...rest);
    const passedOn = sealOffer(identityOf(alice), content, redirect, other.publicKey);
    assert.equal(openOffer(passedOn, other, server, now), undefined);
  });
});
