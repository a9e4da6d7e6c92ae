import assert from "node:assert/strict";
import {
  entryOf,
  genericLength,
  layGenericRequest,
  layGenericResponse,
  parseGenericRequest,
  parseGenericResponse,
} from "../../tokens/generic-batch.ts";
import { BLIND_RSA, tokenTypeOf, typeOfPublicKey, VOPRF } from "../../tokens/types.ts";
import { lengthOfVarint, readList, writeVarint } from "../../tokens/varint.ts";

const malformed = { code: "token/batch" };

describe("tokens/varint", () => {
  it("writes and reads the examples of RFC 9000 appendix A.1 as lengths", () => {
    const list = (head: number[], length: number): Buffer => Buffer.concat([Buffer.from(head), Buffer.alloc(length)]);
    for (const [value, head] of [
      [37, [0x25]],
      [15293, [0x7b, 0xbd]],
      [494878333, [0x9d, 0x7f, 0x3e, 0x7d]],
    ] as const) {
      const out = Buffer.alloc(4);
      assert.equal(writeVarint(out, 0, value), head.length);
      assert.deepEqual([...out.subarray(0, head.length)], head);
      assert.equal(lengthOfVarint(value), head.length);
    }
    for (const length of [1, 63, 64, 16383, 16384]) {
      const out = Buffer.alloc(lengthOfVarint(length) + length);
      writeVarint(out, 0, length);
      assert.equal(readList(out, 0, 0).length, length);
      for (const bad of [out.subarray(0, -1), Buffer.concat([out, Buffer.alloc(1)])])
        assert.throws(() => readList(bad, 0, 0), malformed);
    }
    for (const bad of [list([0x40, 37], 37), list([0x80, 0, 0x3b, 0xbd], 15293), list([0], 0), list([0xc0], 7)])
      assert.throws(() => readList(bad, 0, 0), malformed);
    assert.throws(() => writeVarint(Buffer.alloc(8), 0, 2 ** 30), malformed);
  });
});

describe("tokens/types", () => {
  it("knows two types, by number and by the form of a key", () => {
    assert.equal(tokenTypeOf(5), VOPRF);
    assert.equal(tokenTypeOf(2), BLIND_RSA);
    for (const other of [0, 1, 3, 0x0500, 0xf0d5]) assert.equal(tokenTypeOf(other), undefined);
    assert.equal(typeOfPublicKey(Buffer.alloc(32)), VOPRF);
    assert.equal(typeOfPublicKey(Buffer.alloc(342)), BLIND_RSA);
    for (const length of [0, 31, 33, 256, 341, 343])
      assert.throws(() => typeOfPublicKey(Buffer.alloc(length)), { code: "crypto/input" });
  });
});

describe("tokens/generic-batch", () => {
  it("lays out what it reads, 25,904 bytes each way for 100", () => {
    assert.equal(genericLength(100), 25_904);
    for (const count of [1, 63, 64, 100]) {
      const request = Buffer.alloc(genericLength(count));
      const list = layGenericRequest(request, 7, count);
      for (let i = 0; i < count; i++) entryOf(list, i).fill(i + 1);
      const read = parseGenericRequest(request);
      assert.equal(read.truncatedKeyId, 7);
      assert.equal(read.count, count);
      assert.deepEqual(entryOf(read.list, count - 1), Buffer.alloc(256, count));
      const response = Buffer.alloc(genericLength(count));
      layGenericResponse(response, count);
      assert.equal(parseGenericResponse(response).count, count);
    }
  });

  it("refuses mixtures of keys and types, absent tokens, and other lengths", () => {
    const request = Buffer.alloc(genericLength(2));
    layGenericRequest(request, 7, 2);
    const change = (at: number, value: number): Buffer => Buffer.from(request).fill(value, at, at + 1);
    const second = 2 + 259;
    const bad = [
      Buffer.alloc(0),
      request.subarray(0, 1),
      request.subarray(1),
      request.subarray(0, -1),
      Buffer.concat([request, Buffer.alloc(1)]),
      change(1, 0xff),
      change(3, 5),
      change(second + 1, 1),
      change(second + 2, 8),
      Buffer.concat([Buffer.from([0x41, 0x02]), Buffer.alloc(258)]),
      Buffer.concat([Buffer.from([0x41, 0x04]), Buffer.alloc(260)]),
    ];
    for (const bytes of bad) assert.throws(() => parseGenericRequest(bytes), malformed);
    const response = Buffer.alloc(genericLength(2));
    layGenericResponse(response, 2);
    for (const at of [2, 3, 4, second]) {
      const bent = Buffer.from(response);
      bent[at]! ^= 1;
      assert.throws(() => parseGenericResponse(bent), malformed);
    }
  });
});
