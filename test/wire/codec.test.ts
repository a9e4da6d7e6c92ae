import assert from "node:assert/strict";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { bytes, decode, encode, fixed, list, struct, u16, u32, u48, u8, type Codec } from "../../src/wire/codec.ts";
import * as documents from "../../src/wire/documents.ts";
import {
  header,
  HEADER_LENGTH,
  pad,
  padReply,
  PREAMBLE_LENGTH,
  sizes,
  unpad,
  unpadReply,
} from "../../src/wire/frame.ts";
import { operationOfNumber, operations } from "../../src/wire/operations.ts";

const sample = struct({
  a: u8,
  b: u16,
  c: u32,
  d: u48,
  f: fixed(3),
  g: bytes(10),
  h: list(struct({ x: u8, y: bytes(2) }), 3),
});
const sampleValue = fc.record({
  a: fc.nat(255),
  b: fc.nat(65535),
  c: fc.nat(0xffffffff),
  d: fc.nat(2 ** 48 - 1),
  f: fc.uint8Array({ minLength: 3, maxLength: 3 }),
  g: fc.uint8Array({ maxLength: 10 }),
  h: fc.array(fc.record({ x: fc.nat(255), y: fc.uint8Array({ maxLength: 2 }) }), { maxLength: 3 }),
});
const isMalformed = (e: unknown): boolean => e instanceof Fault && e.code === "wire/malformed";
const onlyFaults = (work: () => unknown): void => {
  try {
    work();
  } catch (error) {
    assert.ok(isMalformed(error), String(error));
  }
};

describe("wire/codec", () => {
  it("round-trips, and has one encoding per value", () => {
    fc.assert(
      fc.property(sampleValue, (value) => {
        const encoded = encode(sample, value, Buffer.alloc);
        const decoded = decode(sample, encoded);
        assert.deepEqual(encode(sample, decoded, Buffer.alloc), encoded);
        assert.equal(decoded.d, value.d);
        assert.equal(decoded.h.length, value.h.length);
      }),
    );
  });

  it("decodes byte fields to views, not copies", () => {
    const encoded = encode(bytes(4), Buffer.from("abcd"), Buffer.alloc);
    const view = decode(bytes(4), encoded);
    encoded.fill(0);
    assert.ok(view.every((b) => b === 0));
  });

  it("refuses truncation at every byte, anything trailing, and lengths over their bound", () => {
    const value = {
      a: 1,
      b: 2,
      c: 3,
      d: 4,
      f: Buffer.alloc(3),
      g: Buffer.alloc(10),
      h: [{ x: 1, y: Buffer.alloc(2) }],
    };
    const encoded = encode(sample, value, Buffer.alloc);
    for (let n = 0; n < encoded.length; n++) assert.throws(() => decode(sample, encoded.subarray(0, n)), isMalformed);
    assert.throws(() => decode(sample, Buffer.concat([encoded, Buffer.alloc(1)])), isMalformed);
    assert.throws(() => decode(bytes(3), encode(bytes(4), Buffer.alloc(4), Buffer.alloc)), isMalformed);
    assert.throws(() => decode(list(u8, 1), encode(list(u8, 2), [1, 2], Buffer.alloc)), isMalformed);
    assert.throws(() => encode(bytes(3), Buffer.alloc(4), Buffer.alloc), isMalformed);
    assert.throws(() => encode(u8, 256, Buffer.alloc), isMalformed);
    assert.throws(() => encode(u48, -1, Buffer.alloc), isMalformed);
  });

  it("answers any bytes, for every codec of the protocol, with a value or `wire/malformed`", () => {
    const codecs: Codec<never>[] = [
      ...Object.values(operations).flatMap((o) => [o.request, o.reply]),
      ...Object.values(documents).filter((d) => typeof d === "object" && "read" in d && typeof d.read === "function"),
      header,
    ] as unknown as Codec<never>[];
    assert.ok(codecs.length > 30);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(...codecs), (input, codec) =>
        onlyFaults(() => decode(codec, input)),
      ),
      { numRuns: 5000 },
    );
    // Control: a decoder that trusts a length is found by the same inputs.
    const trusting: Codec<Uint8Array> = {
      ...bytes(10),
      read: (r) => {
        const length = r.bytes.readUInt32BE(r.offset);
        r.offset += 4 + length;
        return r.bytes.subarray(4, 4 + length);
      },
    };
    assert.throws(() =>
      fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (input) => onlyFaults(() => decode(trusting, input)))),
    );
  });
});

describe("wire/frame", () => {
  it("has a header of exactly its length", () => {
    const value = decode(header, Buffer.alloc(HEADER_LENGTH));
    assert.equal(encode(header, value, Buffer.alloc).length, HEADER_LENGTH);
    assert.equal(PREAMBLE_LENGTH, 440);
  });

  it("pads and unpads, and refuses non-zero padding and overlong payloads", () => {
    const frame = Buffer.alloc(sizes.small);
    pad(frame, Buffer.from("payload"));
    assert.equal(unpad(frame).toString(), "payload");
    frame[sizes.small - 1] = 1;
    assert.throws(() => unpad(frame), isMalformed);
    assert.throws(() => pad(frame, Buffer.alloc(sizes.small - 3)), { code: "wire/size-class" });
    frame.writeUInt32BE(sizes.small - 3, 0);
    assert.throws(() => unpad(frame), isMalformed);
    padReply(frame, 61, Buffer.from("x"));
    assert.deepEqual(unpadReply(frame), { code: 61, payload: Buffer.from("x") });
  });
});

describe("wire/operations", () => {
  it("has unique numbers, gates every anonymous operation, and shows at most five shapes", () => {
    const all = Object.entries(operations);
    assert.equal(new Set(all.map(([, o]) => o.number)).size, all.length);
    for (const [name, o] of all) {
      assert.equal(operationOfNumber(o.number), name);
      if (o.caller === "anonymous" || o.caller === "member") assert.notEqual(o.token, "none", name);
      assert.ok(Object.keys(o.limits).length > 0, name);
    }
    assert.ok(new Set(all.map(([, o]) => `${o.size.request}/${o.size.reply}`)).size <= 5);
    assert.equal(operationOfNumber(9999), undefined);
  });
});

describe("wire/documents", () => {
  it("knows user names", () => {
    for (const good of ["abc", "a.b-c_9", "z".repeat(32)]) assert.ok(documents.isUserName(Buffer.from(good)), good);
    for (const bad of ["", "ab", "Abc", "1bc", "a c", "a\0c", "ä-b-c", "z".repeat(33), ".abc"])
      assert.ok(!documents.isUserName(Buffer.from(bad)), bad);
  });
});
