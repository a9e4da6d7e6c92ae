// Strict decoding and scratch that does not survive its use.
import assert from "node:assert/strict";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { Fault } from "../../src/fault.ts";
import { decodeOwn, guarded, strictDecode, withEncoded, withScratch } from "../../src/mls/codec.ts";

const opaque = (bytes: Uint8Array): Uint8Array => strictDecode(decodeVarLenData, varLenDataEncoder, bytes);

describe("MLS codec", () => {
  it("reads what it would write, as views", () => {
    const bytes = encode(varLenDataEncoder)(Uint8Array.from([7, 8, 9]));
    const value = opaque(bytes);
    assert.deepEqual([...value], [7, 8, 9]);
    bytes[1] = 70;
    assert.equal(value[0], 70);
  });

  it("refuses trailing bytes, missing bytes, lengths that are not minimal, and nothing at all", () => {
    for (const bytes of [[1, 5, 0], [2, 5], [0x40, 1, 5], [0x80, 0, 0, 1, 5], [0xc0, 0, 0, 0, 0, 0, 0, 1, 5], []]) {
      assert.throws(() => opaque(Uint8Array.from(bytes)), { code: "group/invalid" });
    }
    assert.deepEqual([...opaque(Uint8Array.from([1, 5]))], [5]);
  });

  it("takes its own bytes without encoding them again, but all of them", () => {
    assert.deepEqual([...decodeOwn(decodeVarLenData, Uint8Array.from([1, 5]))], [5]);
    for (const bytes of [[1, 5, 0], [2, 5], []]) {
      assert.throws(() => decodeOwn(decodeVarLenData, Uint8Array.from(bytes)), { code: "group/invalid" });
    }
  });

  it("turns every error of the library into a fault without its text", async () => {
    const thrown = await guarded(() => Promise.reject(new TypeError("secret"))).catch((error: unknown) => error);
    assert.ok(thrown instanceof Fault && thrown.message === "group/invalid" && thrown.cause === undefined);
    const kept = await guarded(() => Promise.reject(new Fault("group/limit"))).catch((error: unknown) => error);
    assert.ok(kept instanceof Fault && kept.code === "group/limit");
  });

  it("wipes scratch after use, after a throw, nested and larger than the pool", () => {
    for (const size of [1, 100, 60_000, 70_000, 300_000]) {
      const secret = new Uint8Array(size).fill(0xee);
      let outer: Buffer = Buffer.alloc(0);
      let inner: Buffer = Buffer.alloc(0);
      withEncoded(varLenDataEncoder, secret, (bytes) => {
        outer = bytes;
        withScratch(size, (more) => {
          inner = more.fill(0xdd);
          assert.equal(bytes.at(-1), 0xee); // the inner piece is another one
        });
        assert.ok(inner.every((byte) => byte === 0));
        assert.equal(bytes.at(-1), 0xee);
      });
      assert.ok(outer.every((byte) => byte === 0));
      assert.throws(() =>
        withScratch(size, (bytes) => {
          outer = bytes.fill(0xcc);
          throw new Error("stop");
        }),
      );
      assert.ok(outer.every((byte) => byte === 0));
    }
  });
});
