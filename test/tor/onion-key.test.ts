// The key blob of ADD_ONION against RFC 8032's first test vector; private-network.test.ts shows that tor takes it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { onionKeyLength, writeOnionKey } from "../../tor/onion-key.ts";

// RFC 8032 section 7.1, TEST 1: the secret key; below it, its hash after the clamping of section 5.1.5.
const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
const expanded =
  "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f" +
  "9b4f0afe280b746a778684e75442502057b7473a03f08f96f5a38e9287e01f8f";

describe("onion key", () => {
  it("writes the clamped hash of the seed in base64, and nothing behind it", () => {
    const out = Buffer.alloc(onionKeyLength + 2, 0x2e);
    assert.equal(writeOnionKey(seed, out), onionKeyLength);
    assert.equal(out.toString(), `ED25519-V3:${Buffer.from(expanded, "hex").toString("base64")}..`);
  });

  it("agrees with node's base64 for any seed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (any) => {
        const hash = createHash("sha512").update(any).digest();
        hash[0] = (hash[0] ?? 0) & 248;
        hash[31] = ((hash[31] ?? 0) & 127 & ~64) | 64;
        const out = Buffer.alloc(onionKeyLength);
        writeOnionKey(any, out);
        assert.equal(out.toString(), `ED25519-V3:${hash.toString("base64")}`);
      }),
    );
  });

  it("refuses wrong sizes before it writes", () => {
    for (const [length, room] of [
      [31, 99],
      [33, 99],
      [64, 99],
      [32, 98],
    ] as const) {
      const out = Buffer.alloc(room);
      assert.throws(() => writeOnionKey(Buffer.alloc(length, 1), out), new Fault("tor/address"));
      assert.ok(out.every((byte) => byte === 0));
    }
  });
});
