import assert from "node:assert/strict";
import { argon2id } from "@noble/hashes/argon2.js";
import { randomBytes } from "../../src/crypto/random.ts";
import {
  leadingZeroBits,
  WORK_DIGEST_LENGTH,
  WORK_INPUT_LENGTH,
  workDigest,
  workInput,
} from "../../src/crypto/work.ts";

const digestOf = async (input: Uint8Array): Promise<Buffer> => {
  const digest = Buffer.alloc(WORK_DIGEST_LENGTH);
  await workDigest(digest, input);
  return digest;
};

describe("crypto/work", () => {
  it("is Argon2id of one pass over 16 MiB, as another implementation computes it", async function () {
    this.timeout(60_000);
    const input = Buffer.from(Array.from({ length: WORK_INPUT_LENGTH }, (_, i) => i));
    const other = (m: number): Uint8Array =>
      argon2id(input.subarray(0, 32), input.subarray(32), { t: 1, m, p: 1, dkLen: WORK_DIGEST_LENGTH });
    const digest = await digestOf(input);
    assert.deepEqual(digest, Buffer.from(other(16384)));
    assert.notDeepEqual(digest, Buffer.from(other(8192))); // control: the memory is part of it
  });

  it("has another input for each seed, request id and nonce", () => {
    const parts = [randomBytes(32), randomBytes(16), randomBytes(8)] as const;
    const of = (seed: Uint8Array, id: Uint8Array, nonce: Uint8Array): string =>
      workInput(Buffer.alloc(WORK_INPUT_LENGTH), seed, id, nonce).toString("hex");
    const inputs = new Set([of(...parts), of(randomBytes(32), parts[1], parts[2])]);
    inputs.add(of(parts[0], randomBytes(16), parts[2])).add(of(parts[0], parts[1], randomBytes(8)));
    assert.equal(inputs.size, 4);
    assert.equal(of(...parts), of(...parts));
  });

  it("counts leading zero bits", () => {
    for (let zeros = 0; zeros < 128; zeros++) {
      const digest = Buffer.alloc(16);
      for (let bit = zeros; bit < 128; bit++) digest[bit >> 3]! |= 0x80 >> (bit & 7);
      assert.equal(leadingZeroBits(digest), zeros);
      digest.fill(0)[zeros >> 3] = 0x80 >> (zeros & 7);
      assert.equal(leadingZeroBits(digest), zeros);
    }
    assert.equal(leadingZeroBits(Buffer.alloc(16)), 128);
  });
});
