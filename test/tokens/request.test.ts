import assert from "node:assert/strict";
import { readRequest } from "../../tokens/request.ts";

const single = (type: number, length: number): Buffer => {
  const out = Buffer.alloc(3 + length, 7);
  out.writeUInt16BE(type, 0);
  return out;
};

describe("tokens/request", () => {
  it("reads a single request of its two types", () => {
    assert.deepEqual([readRequest(single(5, 32)).type, readRequest(single(2, 256)).type], [5, 2]);
  });

  it("refuses every other type of the same length, also where the first byte is right", () => {
    for (const type of [0, 1, 3, 4, 6, 0xff, 0x0105, 0x0502, 0x4005])
      for (const length of [32, 256])
        assert.throws(() => readRequest(single(type, length)), { code: "token/batch" }, `${type}, ${length}`);
    for (const [type, length] of [[5, 256] as const, [2, 32] as const])
      assert.throws(() => readRequest(single(type, length)), { code: "token/batch" });
  });
});
