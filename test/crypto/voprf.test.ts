import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ristretto255_oprf } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import sodium from "libsodium-wrappers-sumo";
import { randomBytes } from "../../src/crypto/random.ts";
import { isScalar, multiply, multiplyBase, randomScalar, reduce, scalarMulSub } from "../../src/crypto/ristretto255.ts";
import { compositeSeed } from "../../src/crypto/voprf-hash.ts";
import { Composites, prove } from "../../src/crypto/voprf-proof.ts";
import {
  blindEvaluate,
  blindInput,
  evaluate,
  evaluationSteps,
  freshBlind,
  generateVoprfKey,
  importVoprfKey,
  isElement,
  unblind,
  verifyEvaluation,
} from "../../src/crypto/voprf.ts";
import { lockedAlloc } from "../../src/memory/locked.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const noble = ristretto255_oprf.voprf;
const ORDER = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
const IDENTITY = Buffer.alloc(32);

// RFC 9497 appendix A.1.2, in a file beside the tests.
interface Vector {
  readonly inputs: string[];
  readonly blinds: string[];
  readonly blinded: string[];
  readonly evaluated: string[];
  readonly outputs: string[];
  readonly proof: string;
  readonly proofNonce: string;
}
const rfc9497 = JSON.parse(readFileSync(new URL("./rfc9497-ristretto255-voprf.json", import.meta.url), "utf8")) as {
  secretKey: string;
  publicKey: string;
  vectors: Vector[];
};

const pieces = (batch: Uint8Array): Uint8Array[] =>
  Array.from({ length: batch.length / 32 }, (_, i) => Uint8Array.from(batch.subarray(i * 32, (i + 1) * 32)));

describe("crypto/voprf", () => {
  it("reproduces RFC 9497 appendix A.1.2 byte for byte, proofs included", () => {
    assert.equal(rfc9497.vectors.length, 3);
    const key = importVoprfKey(hex(rfc9497.secretKey));
    assert.deepEqual(key.publicKey, hex(rfc9497.publicKey));
    for (const vector of rfc9497.vectors) {
      const inputs = vector.inputs.map(hex);
      const blinds = vector.blinds.map(hex);
      const blinded = Buffer.concat(inputs.map((input, i) => blindInput(Buffer.alloc(32), blinds[i]!, input)));
      assert.equal(blinded.toString("hex"), vector.blinded.join(""));
      const answer = blindEvaluate(Buffer.alloc(blinded.length + 64), key, blinded);
      const evaluated = answer.subarray(0, blinded.length);
      assert.equal(evaluated.toString("hex"), vector.evaluated.join(""));
      inputs.forEach((input, i) => {
        const output = unblind(Buffer.alloc(64), input, blinds[i]!, evaluated.subarray(i * 32, i * 32 + 32));
        assert.equal(output.toString("hex"), vector.outputs[i]);
        assert.deepEqual(evaluate(Buffer.alloc(64), key, input), output);
      });
      // The vectors fix the proof's nonce, which this house derives; so the proof is made here one level below.
      const composites = new Composites(key.publicKey);
      pieces(blinded).forEach((element, i) => composites.add(element, evaluated.subarray(i * 32, i * 32 + 32), false));
      const proof = Buffer.alloc(64);
      prove(proof, hex(rfc9497.secretKey), key.publicKey, composites.m, hex(vector.proofNonce));
      assert.equal(proof.toString("hex"), vector.proof);
      assert.ok(verifyEvaluation(key.publicKey, blinded, evaluated, proof));
      assert.ok(verifyEvaluation(key.publicKey, blinded, evaluated, answer.subarray(blinded.length)));
    }
  });

  it("agrees with an independent implementation in both directions", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 }), (inputs) => {
        const key = generateVoprfKey();
        const secretKey = key.secret.use((secret) => Uint8Array.from(secret));
        const publicKey = Uint8Array.from(key.publicKey);
        // Their client, our server.
        const theirs = inputs.map((input) => noble.blind(input));
        const blinded = Buffer.concat(theirs.map((state) => state.blinded));
        const answer = blindEvaluate(Buffer.alloc(blinded.length + 64), key, blinded);
        const items = theirs.map((state, i) => ({
          input: inputs[i]!,
          blind: state.blind,
          blinded: state.blinded,
          evaluated: pieces(answer)[i]!,
        }));
        const outputs = noble.finalizeBatch(items, publicKey, Uint8Array.from(answer.subarray(blinded.length)));
        inputs.forEach((input, i) =>
          assert.deepEqual(evaluate(Buffer.alloc(64), key, input), Buffer.from(outputs[i]!)),
        );
        // Our client, their server.
        const blinds = inputs.map(() => freshBlind(lockedAlloc(32)));
        const ours = inputs.map((input, i) => blindInput(Buffer.alloc(32), blinds[i]!, input));
        const their = noble.blindEvaluateBatch(
          secretKey,
          publicKey,
          ours.map((e) => Uint8Array.from(e)),
        );
        assert.ok(verifyEvaluation(publicKey, Buffer.concat(ours), Buffer.concat(their.evaluated), their.proof));
        inputs.forEach((input, i) => {
          const output = unblind(Buffer.alloc(64), input, blinds[i]!, their.evaluated[i]!);
          assert.deepEqual(output, Buffer.from(outputs[i]!));
        });
      }),
      { numRuns: 6 },
    );
  });

  it("answers an identical batch identically, in one step or many, and any other batch with another proof", () => {
    const key = generateVoprfKey();
    const blinded = Buffer.concat(
      Array.from({ length: 7 }, (_, i) => blindInput(Buffer.alloc(32), freshBlind(lockedAlloc(32)), Buffer.from([i]))),
    );
    const whole = blindEvaluate(Buffer.alloc(blinded.length + 64), key, blinded);
    const sliced = Buffer.alloc(blinded.length + 64);
    let pauses = 0;
    for (const _ of evaluationSteps(sliced, key, blinded, 3)) pauses++;
    assert.equal(pauses, 2);
    assert.deepEqual(sliced, whole);
    // The first half of a proof is a hash that moves with everything; that the nonce moves too shows in its commitment
    // s * G + c * publicKey = nonce * G.
    const commitment = (answer: Buffer): string => {
      const c = answer.subarray(-64, -32);
      const s = answer.subarray(-32);
      const minusC = scalarMulSub(Buffer.alloc(32), Buffer.alloc(32), c, Buffer.from([1, ...Buffer.alloc(31)]));
      const negated = scalarMulSub(
        Buffer.alloc(32),
        s,
        minusC,
        key.secret.use((k) => Buffer.from(k)),
      );
      return multiplyBase(Buffer.alloc(32), negated).toString("hex");
    };
    const fewer = blinded.subarray(32);
    const other = blindEvaluate(Buffer.alloc(fewer.length + 64), key, fewer);
    const swapped = Buffer.concat([blinded.subarray(32, 64), blinded.subarray(0, 32), blinded.subarray(64)]);
    const third = blindEvaluate(Buffer.alloc(blinded.length + 64), key, swapped);
    assert.equal(new Set([whole, other, third].map(commitment)).size, 3);
    assert.equal(commitment(whole), commitment(sliced));
  });

  it("refuses the identity, non-canonical elements, zero and unreduced scalars and wrong lengths", () => {
    const refused = { code: "crypto/input" };
    const key = generateVoprfKey();
    const good = blindInput(Buffer.alloc(32), freshBlind(lockedAlloc(32)), Buffer.from("x"));
    const nonCanonical = hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"); // p itself
    const negative = hex("01" + "00".repeat(31)); // RFC 9496 appendix A.3: negative field element
    for (const bad of [IDENTITY, nonCanonical, negative, good.subarray(1), Buffer.alloc(33)]) {
      assert.ok(!isElement(bad));
      const batch = Buffer.concat([good, bad]);
      assert.throws(() => blindEvaluate(Buffer.alloc(batch.length + 64), key, batch), refused);
      assert.throws(() => unblind(Buffer.alloc(64), good, freshBlind(lockedAlloc(32)), bad), refused);
    }
    assert.ok(isElement(good));
    for (const bad of [Buffer.alloc(32), ORDER, Buffer.alloc(32, 0xff), Buffer.alloc(31, 1), Buffer.alloc(33, 1)]) {
      assert.ok(!isScalar(bad));
      assert.throws(() => importVoprfKey(bad), refused);
      assert.throws(() => blindInput(Buffer.alloc(32), bad, good), refused);
    }
    const largest = Buffer.from(ORDER);
    largest[0]!--;
    assert.ok(isScalar(largest));
    assert.throws(() => blindEvaluate(Buffer.alloc(64), key, Buffer.alloc(0)), refused);
    assert.throws(() => blindEvaluate(Buffer.alloc(32), key, good), refused);
    assert.throws(() => unblind(Buffer.alloc(64), good, Buffer.alloc(32), good), refused);
    assert.throws(() => multiply(Buffer.alloc(31), ORDER, good), refused);
  });

  it("verifies nothing but the very batch, key and proof", () => {
    const key = generateVoprfKey();
    const inputs = [Buffer.from("a"), Buffer.from("b"), Buffer.from("c")];
    const blinded = Buffer.concat(inputs.map((x) => blindInput(Buffer.alloc(32), freshBlind(lockedAlloc(32)), x)));
    const answer = blindEvaluate(Buffer.alloc(blinded.length + 64), key, blinded);
    const evaluated = answer.subarray(0, blinded.length);
    const proof = answer.subarray(blinded.length);
    assert.ok(verifyEvaluation(key.publicKey, blinded, evaluated, proof));
    const swap = (b: Buffer): Buffer => Buffer.concat([b.subarray(32, 64), b.subarray(0, 32), b.subarray(64)]);
    assert.ok(!verifyEvaluation(generateVoprfKey().publicKey, blinded, evaluated, proof));
    assert.ok(!verifyEvaluation(key.publicKey, swap(blinded), evaluated, proof));
    assert.ok(!verifyEvaluation(key.publicKey, swap(blinded), swap(evaluated), proof));
    assert.ok(!verifyEvaluation(key.publicKey, blinded.subarray(32), evaluated.subarray(32), proof));
    assert.ok(!verifyEvaluation(key.publicKey, blinded, evaluated.subarray(32), proof));
    assert.ok(!verifyEvaluation(key.publicKey, Buffer.alloc(0), Buffer.alloc(0), proof));
    assert.ok(!verifyEvaluation(IDENTITY, blinded, evaluated, proof));
    assert.ok(!verifyEvaluation(key.publicKey, blinded, evaluated, Buffer.alloc(64)));
    assert.ok(!verifyEvaluation(key.publicKey, blinded, evaluated, proof.subarray(1)));
    for (let i = 0; i < 64; i++) {
      const bent = Buffer.from(proof);
      bent[i]! ^= 1 << (i % 8);
      assert.ok(!verifyEvaluation(key.publicKey, blinded, evaluated, bent));
    }
    // The same response plus the group order is another encoding of the same scalar.
    const shifted = Buffer.from(proof);
    let carry = 0;
    for (let i = 0; i < 32; i++) {
      const sum = shifted[32 + i]! + ORDER[i]! + carry;
      shifted[32 + i] = sum & 255;
      carry = sum >> 8;
    }
    assert.deepEqual(
      reduce(Buffer.alloc(32), Buffer.concat([shifted.subarray(32), Buffer.alloc(32)])),
      Buffer.from(proof.subarray(32)),
    );
    assert.ok(!verifyEvaluation(key.publicKey, blinded, evaluated, shifted));
  });

  it("leaves neither secret key, blind nor output in the module's memory", () => {
    const heap = (): Buffer => {
      const { HEAPU8 } = (sodium as unknown as { libsodium: { HEAPU8: Uint8Array } }).libsodium;
      return Buffer.from(HEAPU8.buffer, HEAPU8.byteOffset, HEAPU8.length);
    };
    const found = (secret: Uint8Array): boolean =>
      [0, 8, 16, 24].some((i) => heap().includes(Buffer.from(secret.subarray(i, i + 8))));
    const secretKey = randomScalar(Buffer.alloc(32));
    const key = importVoprfKey(secretKey);
    const blind = freshBlind(Buffer.alloc(32));
    const blinded = blindInput(Buffer.alloc(32), blind, randomBytes(98));
    const answer = blindEvaluate(Buffer.alloc(96), key, blinded);
    const output = unblind(Buffer.alloc(64), Buffer.from("i"), blind, answer.subarray(0, 32));
    evaluate(output, key, randomBytes(98));
    for (const secret of [secretKey, blind, blinded, answer.subarray(0, 32)]) assert.ok(!found(secret));
    // Control: the library's own convenience function leaves its arguments behind.
    sodium.crypto_scalarmult_ristretto255(secretKey, blinded);
    assert.ok(found(secretKey));
  });

  it("leaves the module's whole memory the same, whatever secrets it worked on", () => {
    const { HEAPU8 } = (sodium as unknown as { libsodium: { HEAPU8: Uint8Array } }).libsodium;
    const work = (): void => {
      const key = generateVoprfKey();
      const blind = freshBlind(Buffer.alloc(32));
      const input = randomBytes(98);
      const answer = blindEvaluate(Buffer.alloc(96), key, blindInput(Buffer.alloc(32), blind, input));
      unblind(Buffer.alloc(64), input, blind, answer.subarray(0, 32));
      evaluate(Buffer.alloc(64), key, input);
    };
    work();
    const clean = Buffer.from(HEAPU8);
    for (let round = 0; round < 20; round++) {
      work();
      assert.equal(clean.compare(HEAPU8), 0);
    }
    // Control: one call outside the workspace changes it.
    sodium.crypto_scalarmult_ristretto255_base(randomScalar(Buffer.alloc(32)));
    assert.notEqual(clean.compare(HEAPU8), 0);
  });

  it("binds the weights to the public key", () => {
    const [a, b] = [generateVoprfKey(), generateVoprfKey()];
    assert.notDeepEqual(compositeSeed(Buffer.alloc(64), a.publicKey), compositeSeed(Buffer.alloc(64), b.publicKey));
  });
});
