import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { blake2b } from "@noble/hashes/blake2.js";
import { openInto, SEAL_OVERHEAD, sealInto } from "../../src/crypto/aead.ts";
import { derive } from "../../src/crypto/derive.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { hmac } from "../../src/crypto/hmac.ts";
import {
  derivationLabels,
  hpkeInfo,
  hpkeReplyExport,
  mlsGroupKey,
  mlsGroupKeyRecovery,
  signatureLabels,
} from "../../src/crypto/labels.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { sign, signKeypair, verify } from "../../src/crypto/sign.ts";

describe("crypto/labels", () => {
  it("are unique, versioned and short enough for their prefix", () => {
    const all = [
      ...Object.values(signatureLabels),
      ...Object.values(derivationLabels),
      ...Object.values(hpkeInfo),
      hpkeReplyExport,
      mlsGroupKey,
      mlsGroupKeyRecovery,
    ];
    assert.equal(new Set(all).size, all.length);
    for (const label of all) assert.match(label, /^tacet v1 [a-z ]{3,50}$/);
  });
});

describe("crypto/derive", () => {
  it("is keyed BLAKE2b over unambiguous parts", () => {
    const key = Buffer.alloc(32, 3);
    const u32 = (n: number): Buffer => Buffer.from([0, 0, 0, n]);
    const label = Buffer.from(derivationLabels.recordName);
    const input = Buffer.concat([Buffer.from([label.length]), label, u32(2), Buffer.from("ab"), u32(0)]);
    const expected = Buffer.from(blake2b(input, { key, dkLen: 32 }));
    assert.deepEqual(derive(Buffer.alloc(32), "recordName", key, Buffer.from("ab"), Buffer.alloc(0)), expected);
    assert.notDeepEqual(derive(Buffer.alloc(32), "recordName", key, Buffer.from("a"), Buffer.from("b")), expected);
    assert.notDeepEqual(derive(Buffer.alloc(32), "recordValue", key, Buffer.from("ab"), Buffer.alloc(0)), expected);
  });
});

describe("crypto/derive: lengths", () => {
  it("does not depend on how long the input is, nor on what was hashed before", () => {
    const label = Buffer.from(derivationLabels.recordName);
    for (const size of [0, 400, 511, 512, 513, 4096, 3]) {
      const [key, part] = [randomBytes(32), randomBytes(size)];
      const length = Buffer.alloc(4);
      length.writeUInt32BE(size);
      const input = Buffer.concat([Buffer.from([label.length]), label, length, part]);
      assert.deepEqual(
        derive(Buffer.alloc(32), "recordName", key, part),
        Buffer.from(blake2b(input, { key, dkLen: 32 })),
      );
      assert.deepEqual(derive(Buffer.alloc(64), "recordName", undefined, part), Buffer.from(blake2b(input)));
    }
    const nine = Array.from({ length: 9 }, () => Buffer.alloc(1));
    assert.throws(() => derive(Buffer.alloc(32), "recordName", undefined, ...nine), RangeError);
  });
});

describe("crypto/hash and hmac", () => {
  it("equal node's", () => {
    for (const size of [0, 1, 63, 64, 65, 200, 511, 512, 513, 4096, 3]) {
      const data = randomBytes(size);
      assert.deepEqual(sha256(Buffer.alloc(32), data, data), createHash("sha256").update(data).update(data).digest());
      const out = Buffer.alloc(32);
      hmac(out, data, Buffer.from("m"), data);
      assert.deepEqual(out, createHmac("sha256", data).update("m").update(data).digest());
    }
  });
});

describe("crypto/aead", () => {
  it("opens only with its key, its associated data and untouched bytes", () => {
    const key = randomBytes(32);
    const sealed = sealInto(Buffer.alloc(5 + SEAL_OVERHEAD), Buffer.from("hello"), Buffer.from("ad"), key);
    assert.equal(openInto(Buffer.alloc(5), sealed, Buffer.from("ad"), key).toString(), "hello");
    assert.throws(() => openInto(Buffer.alloc(5), sealed, Buffer.from("ae"), key), { code: "crypto/open" });
    assert.throws(() => openInto(Buffer.alloc(5), sealed, Buffer.from("ad"), randomBytes(32)), { code: "crypto/open" });
    assert.throws(() => openInto(Buffer.alloc(0), sealed.subarray(0, 39), Buffer.from("ad"), key), {
      code: "crypto/open",
    });
    for (let i = 0; i < sealed.length; i++) {
      const bad = Buffer.from(sealed);
      bad[i]! ^= 1;
      assert.throws(() => openInto(Buffer.alloc(5), bad, Buffer.from("ad"), key), { code: "crypto/open" });
    }
  });
});

describe("crypto/sign", () => {
  it("binds purpose and the boundaries between parts", () => {
    const [publicKey, secretKey] = [Buffer.alloc(32), Buffer.alloc(64)];
    signKeypair(publicKey, secretKey);
    const signature = sign(Buffer.alloc(64), "request", secretKey, Buffer.from("ab"), Buffer.from("c"));
    assert.ok(verify(signature, "request", publicKey, Buffer.from("ab"), Buffer.from("c")));
    assert.ok(!verify(signature, "credential", publicKey, Buffer.from("ab"), Buffer.from("c")));
    assert.ok(!verify(signature, "request", publicKey, Buffer.from("a"), Buffer.from("bc")));
    assert.ok(!verify(signature.subarray(1), "request", publicKey, Buffer.from("ab"), Buffer.from("c")));
    assert.ok(!verify(signature, "request", Buffer.alloc(32), Buffer.from("ab"), Buffer.from("c")));
  });
});
