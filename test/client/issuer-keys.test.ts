import assert from "node:assert/strict";
import { issuerKeys } from "../../src/client/issuer-keys.ts";
import { SPKI_LENGTH } from "../../src/crypto/rsa-spki.ts";
import { tokenClasses, type TokenClass } from "../../tokens/classes.ts";
import { windowOf } from "../../tokens/epochs.ts";

const lengths = { voprf: 32, rsa: SPKI_LENGTH } as const;
let filling = 0;
const key = (name: TokenClass, epoch: number, type: keyof typeof lengths) => ({
  class: tokenClasses[name],
  epoch,
  publicKey: Buffer.alloc(lengths[type], ++filling),
  ...windowOf(epoch),
});
/** Both types of two classes, over two epochs: all that a house may list. */
const issuers = (["create", "deliver"] as const).flatMap((name) =>
  [7, 8].flatMap((epoch) => [key(name, epoch, "voprf"), key(name, epoch, "rsa")]),
);

describe("client/issuer-keys", () => {
  const refused = (...more: typeof issuers): void =>
    assert.throws(() => issuerKeys({ issuers: [...issuers, ...more] }), { code: "server/identity" });

  it("takes two keys a class and type, one an epoch", () => {
    const keys = issuerKeys({ issuers });
    assert.equal(keys.length, 8);
    assert.equal(keys.filter((k) => k.class === "create" && k.epoch === 8).length, 2);
  });

  it("refuses a third of a class and type, of either type", () => {
    refused(key("create", 9, "voprf"));
    refused(key("create", 9, "rsa"));
  });

  it("refuses two of one class, type and epoch", () => {
    for (const type of ["voprf", "rsa"] as const) {
      assert.equal(issuerKeys({ issuers: [key("connect", 8, type)] }).length, 1);
      refused(key("connect", 8, type), key("connect", 8, type));
    }
  });

  it("refuses one key in two places, and a key of no type", () => {
    const { publicKey } = issuers[0]!;
    refused({ ...key("connect", 8, "voprf"), publicKey });
    refused({ ...key("connect", 8, "voprf"), publicKey: Buffer.alloc(33) });
  });

  it("passes over a class that it does not know", () => {
    assert.equal(issuerKeys({ issuers: [...issuers, { ...key("create", 8, "rsa"), class: 99 }] }).length, 8);
  });
});
