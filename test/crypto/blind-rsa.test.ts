import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { publicVerif } from "@cloudflare/privacypass-ts";
import fc from "fast-check";
import { BlindRsaClient, SEED_LENGTH } from "../../src/crypto/blind-rsa-client.ts";
import {
  type BlindRsaKey,
  generateBlindRsaKey,
  importBlindRsaKey,
  MODULUS_LENGTH,
  openSigner,
  readSpki,
  SPKI_LENGTH,
  verifySignature,
} from "../../src/crypto/blind-rsa.ts";
import { isBelow, Modulus } from "../../src/crypto/montgomery.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { publicKeyOf } from "../../src/crypto/rsa-spki.ts";

const input = { code: "crypto/input" };
const hex = (text: string): Buffer => Buffer.from(text.replace(/^0x/, ""), "hex");
const big = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
const bytesOf = (value: bigint, size: number): Buffer => hex(value.toString(16).padStart(2 * size, "0"));
const power = (base: bigint, exponent: bigint, modulus: bigint): bigint => {
  let result = 1n;
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus) if (e & 1n) result = (result * b) % modulus;
  return result;
};

describe("crypto/montgomery", () => {
  // Odd moduli of 2 to 64 bytes with the first bit set, and two numbers below each.
  const cases = fc.uint8Array({ minLength: 1, maxLength: 32 }).chain((half) => {
    const modulus = Buffer.concat([half, half]);
    modulus[0]! |= 0x80;
    modulus[modulus.length - 1]! |= 1;
    const below = fc.bigInt({ min: 0n, max: big(modulus) - 1n });
    return fc.tuple(fc.constant(modulus), below, below);
  });

  it("multiplies like BigInt", () => {
    fc.assert(
      fc.property(cases, ([modulus, a, b]) => {
        const size = modulus.length;
        const product = new Modulus(modulus).multiply(Buffer.alloc(size), bytesOf(a, size), bytesOf(b, size));
        assert.equal(big(product), (a * b) % big(modulus));
      }),
    );
  });

  it("multiplies the extremes of 2048 and 4096 bits", () => {
    for (const size of [256, 512])
      for (const modulus of [Buffer.alloc(size, 0xff), bytesOf((1n << BigInt(8 * size - 1)) + 1n, size)]) {
        const n = big(modulus);
        const values = [0n, 1n, n - 1n, n - 2n, n >> 1n];
        const ours = new Modulus(modulus);
        for (const a of values)
          for (const b of values) {
            const product = ours.multiply(Buffer.alloc(size), bytesOf(a, size), bytesOf(b, size));
            assert.equal(big(product), (a * b) % n);
          }
      }
  });

  it("inverts what has an inverse and refuses the rest", () => {
    const [p, q] = [(1n << 64n) - 59n, (1n << 64n) - 83n]; // primes, so that a random mask is a unit
    const ours = new Modulus(bytesOf(p * q, 16));
    const out = Buffer.alloc(16);
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: p - 1n }), (a) => {
        assert.ok(ours.isUnit(bytesOf(a, 16)));
        assert.equal((big(ours.invert(out, bytesOf(a, 16))) * a) % (p * q), 1n);
      }),
    );
    for (const a of [0n, p, 2n * q, p * (q - 1n)]) {
      assert.ok(!ours.isUnit(bytesOf(a, 16)));
      assert.throws(() => ours.invert(out, bytesOf(a, 16)), input);
    }
  });

  it("compares, and takes no even, short or odd-length modulus and no operand of another length", () => {
    assert.ok(
      isBelow(hex("00ff"), hex("0100")) && !isBelow(hex("0100"), hex("00ff")) && !isBelow(hex("01"), hex("01")),
    );
    for (const bad of ["", "8000", "7fff", "800001"]) assert.throws(() => new Modulus(hex(bad)), input);
    const ours = new Modulus(hex("8001"));
    assert.throws(() => ours.multiply(Buffer.alloc(2), hex("000001"), hex("0001")), input);
    assert.throws(() => ours.multiply(Buffer.alloc(3), hex("0001"), hex("0001")), input);
    assert.ok(ours.holds(hex("8000")));
    for (const bad of ["0000", "8001", "ffff", "01", "000001"]) assert.ok(!ours.holds(hex(bad)));
  });
});

describe("crypto/blind-rsa", () => {
  let key: BlindRsaKey;
  let client: BlindRsaClient;
  const message = randomBytes(98);
  const blinded = Buffer.alloc(MODULUS_LENGTH);
  const blindSignature = Buffer.alloc(MODULUS_LENGTH);
  const signature = Buffer.alloc(MODULUS_LENGTH);
  const seed = randomBytes(SEED_LENGTH);

  before(async () => {
    key = await generateBlindRsaKey();
    client = new BlindRsaClient(readSpki(key.publicKey));
    client.blind(blinded, message, seed);
    openSigner(key)(blindSignature, blinded);
    client.finalize(signature, message, seed, blindSignature);
  });
  after(() => key.secret.destroy());

  it("signs blindly what then verifies, and nothing else does", () => {
    const publicKey = readSpki(key.publicKey);
    assert.ok(verifySignature(publicKey, message, signature));
    for (let bit = 0; bit < 8 * 256; bit += 37) {
      const bent = Buffer.from(signature);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!verifySignature(publicKey, message, bent));
    }
    assert.ok(!verifySignature(publicKey, message.subarray(1), signature));
    assert.ok(!verifySignature(publicKey, message, blindSignature));
    const longer = Buffer.concat([signature, Buffer.alloc(1)]);
    for (const wrong of [signature.subarray(1), longer, Buffer.alloc(0)])
      assert.ok(!verifySignature(publicKey, message, wrong));
    // The same residue written with the modulus added, where it fits into 256 bytes, is another string and no signature.
    const shifted = big(signature) + big(publicKey.modulus);
    if (shifted < 1n << 2048n) assert.ok(!verifySignature(publicKey, message, bytesOf(shifted, 256)));
  });

  it("is what the definition says: the signature to the power of e blinds back", () => {
    const { modulus } = readSpki(key.publicKey);
    assert.equal(power(big(blindSignature), 65537n, big(modulus)), big(blinded));
  });

  it("takes exactly 256 bytes below the modulus, and answers the same to the same", () => {
    const { modulus } = readSpki(key.publicKey);
    const sign = openSigner(key);
    const out = Buffer.alloc(256);
    const n = big(modulus);
    const wrong = [
      Buffer.alloc(0),
      blinded.subarray(1),
      Buffer.alloc(255),
      Buffer.concat([Buffer.alloc(1), blinded]),
      Buffer.from(modulus),
      bytesOf(n + 1n, 256),
      Buffer.alloc(256, 0xff),
    ];
    for (const bytes of wrong) assert.throws(() => sign(out, bytes), input, `${bytes.length}`);
    for (const bytes of [Buffer.alloc(256), bytesOf(1n, 256), bytesOf(n - 1n, 256)]) {
      sign(out, bytes);
      assert.deepEqual(out, bytes); // 0, 1 and -1 are their own odd powers
    }
    sign(out, blinded);
    assert.deepEqual(out, blindSignature);
  });

  it("control: OpenSSL alone would sign 255 bytes", async () => {
    const { constants, createPrivateKey, privateDecrypt } = await import("node:crypto");
    const secret = key.secret.use((der) => createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
    const bare = { key: secret, padding: constants.RSA_NO_PADDING };
    assert.equal(privateDecrypt(bare, Buffer.alloc(255, 1)).length, 256);
  });

  it("blinds the same for the same seed, independently of the message for others", () => {
    const again = client.blind(Buffer.alloc(256), message, seed);
    assert.deepEqual(again, blinded);
    assert.notDeepEqual(client.blind(Buffer.alloc(256), message, randomBytes(32)), blinded);
  });

  it("gives no signature for another message, seed, key or answer", () => {
    const out = Buffer.alloc(256);
    const invalid = { code: "token/invalid" };
    assert.throws(() => client.finalize(out, randomBytes(98), seed, blindSignature), invalid);
    assert.throws(() => client.finalize(out, message, randomBytes(32), blindSignature), invalid);
    assert.throws(() => client.finalize(out, message, seed, blinded), invalid);
    assert.ok(out.every((byte) => byte === 0));
    const { modulus } = readSpki(key.publicKey);
    for (const bytes of [Buffer.alloc(256), Buffer.from(modulus), blindSignature.subarray(1), Buffer.alloc(257, 1)])
      assert.throws(() => client.finalize(out, message, seed, bytes), input);
    for (const blind of [Buffer.alloc(256), Buffer.from(modulus), Buffer.alloc(255, 1)]) {
      assert.throws(() => client.blindWith(out, message, blind, Buffer.alloc(48)), input);
      assert.throws(() => client.finalizeWith(out, message, blind, blindSignature), input);
    }
  });

  it("refuses a key whose factor the blind would not hide", () => {
    // A modulus that 3 divides: one blind in three is not invertible, and one message in three stays unhidden.
    const { modulus } = readSpki(key.publicKey);
    const n = big(modulus);
    const weak = publicKeyOf(bytesOf(n - (n % 3n) + (((n - (n % 3n)) & 1n) === 0n ? 3n : 0n), 256));
    const victim = new BlindRsaClient(weak);
    let refused = 0;
    for (let i = 0; i < 60; i++)
      try {
        victim.blind(Buffer.alloc(256), randomBytes(98), randomBytes(32));
      } catch (error) {
        assert.equal((error as Error).message, "crypto/input");
        refused++;
      }
    assert.ok(refused > 0);
  });

  it("writes the one encoding of RFC 9578 and reads no other", () => {
    assert.equal(key.publicKey.length, SPKI_LENGTH);
    assert.deepEqual(publicKeyOf(readSpki(key.publicKey).modulus).key.asymmetricKeyDetails, {
      modulusLength: 2048,
      publicExponent: 65537n,
    });
    const plain = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "der", type: "spki" });
    const bad = [plain, key.publicKey.subarray(1), key.publicKey.subarray(0, -1), Buffer.alloc(SPKI_LENGTH)];
    bad.push(Buffer.concat([key.publicKey, Buffer.alloc(1)]), Buffer.alloc(0));
    for (const at of [0, 3, 10, 40, 68, 76, SPKI_LENGTH - 262, SPKI_LENGTH - 1]) {
      const bent = Buffer.from(key.publicKey);
      bent[at]! ^= 2;
      bad.push(bent);
    }
    const even = Buffer.from(key.publicKey);
    even[SPKI_LENGTH - 6]! &= 0xfe;
    const short = Buffer.from(key.publicKey);
    short[SPKI_LENGTH - 261]! &= 0x7f;
    for (const spki of [...bad, even, short]) assert.throws(() => readSpki(spki), input);
  });

  it("comes back from its export, and takes no other secret", () => {
    const pkcs8 = key.secret.use((secret) => Buffer.from(secret));
    assert.equal(pkcs8.length, key.secretLength);
    assert.deepEqual(importBlindRsaKey(pkcs8).publicKey, key.publicKey);
    const other = (type: "rsa" | "rsa-pss", modulusLength: number, publicExponent = 65537): Buffer =>
      generateKeyPairSync(type as "rsa", { modulusLength, publicExponent }).privateKey.export({
        format: "der",
        type: "pkcs8",
      });
    const bad = [
      Buffer.alloc(0),
      Buffer.alloc(1218),
      pkcs8.subarray(1),
      pkcs8.subarray(0, -1),
      Buffer.concat([pkcs8, Buffer.alloc(1)]),
      Buffer.from(pkcs8).fill(0, 30, 34),
      other("rsa", 1024),
      other("rsa", 2048, 3),
      other("rsa-pss", 2048),
      key.publicKey,
    ];
    for (const secret of bad) assert.throws(() => importBlindRsaKey(secret), input);
  });

  it("agrees with another implementation, both ways", async () => {
    const suite = publicVerif.BLIND_RSA.suite[publicVerif.BlindRSAMode.PSS]();
    const algorithm = { name: "RSA-PSS", hash: "SHA-384" };
    const pkcs8 = key.secret.use((secret) => Uint8Array.from(secret));
    const theirSecret = await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
    const spki = readSpki(key.publicKey).key.export({ format: "der", type: "spki" });
    const theirPublic = await webcrypto.subtle.importKey("spki", Uint8Array.from(spki), algorithm, true, ["verify"]);

    const { blindedMsg, inv } = await suite.blind(theirPublic, message);
    const ours = Buffer.alloc(256);
    openSigner(key)(ours, blindedMsg);
    const theirs = await suite.finalize(theirPublic, message, Uint8Array.from(ours), inv);
    assert.ok(verifySignature(readSpki(key.publicKey), message, theirs));

    const answer = await suite.blindSign(theirSecret, Uint8Array.from(blinded));
    assert.deepEqual(Buffer.from(answer), blindSignature);
    assert.ok(await suite.verify(theirPublic, Uint8Array.from(signature), message));
  });

  const vectors = new URL("../../../shared/vectors/rfc9474-pss-deterministic.json", import.meta.url);
  it("reproduces RFC 9474 appendix A.3", function () {
    if (!existsSync(vectors)) return this.skip(); // the foreign vectors are not beside the project
    const [vector] = JSON.parse(readFileSync(vectors, "utf8")) as Record<string, string>[];
    const field = (name: string): Buffer => hex(vector?.[name] ?? "");
    const theirs = new BlindRsaClient(publicKeyOf(field("n"))); // 4096 bits
    const blind = new Modulus(field("n")).invert(Buffer.alloc(512), field("inv"));
    const made = theirs.blindWith(Buffer.alloc(512), field("input_msg"), blind, field("salt"));
    assert.deepEqual(made, field("blinded_msg"));
    const finished = theirs.finalizeWith(Buffer.alloc(512), field("input_msg"), blind, field("blind_sig"));
    assert.deepEqual(finished, field("sig"));
  });
});
