// The list of points of small order, against the primitive itself.
import assert from "node:assert/strict";
import { x25519 } from "../../src/crypto/mls-hpke.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { isSmallOrder } from "../../src/crypto/x25519-points.ts";

const P = 2n ** 255n - 19n;
const ORDER_8 = 325606250916557431795983626356110631294008115727848805560023387167927233504n;
const OTHER_ORDER_8 = 39382357235489614581723060781553021112529911719440698176882885853963445705823n;
const key = (u: bigint): Buffer => Buffer.from(u.toString(16).padStart(64, "0"), "hex").reverse();
const works = (publicKey: Uint8Array): boolean => {
  try {
    x25519(Buffer.alloc(32), randomBytes(32), publicKey);
    return true;
  } catch {
    return false;
  }
};

describe("X25519 public keys of small order", () => {
  it("are exactly those that give no shared secret, with either top bit", () => {
    for (const u of [0n, 1n, ORDER_8, OTHER_ORDER_8, P - 1n, P, P + 1n]) {
      for (const top of [0n, 2n ** 255n]) {
        assert.equal(isSmallOrder(key(u + top)), true);
        assert.equal(works(key(u + top)), false);
      }
    }
  });
  it("are not their neighbours, nor any key that works", () => {
    for (const u of [2n, ORDER_8 + 1n, OTHER_ORDER_8 - 1n, P - 2n, P + 2n, P + 18n]) {
      assert.equal(isSmallOrder(key(u)), false);
      assert.equal(works(key(u)), true);
    }
    for (let i = 0; i < 100; i++) assert.equal(isSmallOrder(randomBytes(32)), false);
  });
});
