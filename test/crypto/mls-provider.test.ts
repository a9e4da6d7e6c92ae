// Our MLS primitives against the library's own provider and against the vectors of RFC 9180 and RFC 8032.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { defaultCryptoProvider, getCiphersuiteFromName, type CiphersuiteImpl } from "ts-mls";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519Verify, mlsSuites } from "../../src/crypto/mls-provider.ts";
import { x25519, x25519Public } from "../../src/crypto/mls-hpke.ts";
import { randomBytes } from "../../src/crypto/random.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const same = (a: Uint8Array, b: Uint8Array): void => assert.deepEqual(Buffer.from(a), Buffer.from(b));
const bytes = (size: number): Uint8Array => Uint8Array.from(randomBytes(size));

const SUITE_1 = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
const SUITE_3 = "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519";
const ours = mlsSuites[SUITE_1] as unknown as CiphersuiteImpl;
const chacha = mlsSuites[SUITE_3] as unknown as CiphersuiteImpl;

describe("MLS provider", () => {
  let theirs: CiphersuiteImpl;
  before(async () => {
    theirs = await defaultCryptoProvider.getCiphersuiteImpl(getCiphersuiteFromName(SUITE_1));
  });

  it("hashes, macs and derives as the library's own provider", async () => {
    for (const size of [0, 1, 31, 32, 33, 64, 65, 200]) {
      const a = bytes(size);
      const b = bytes(size + 7);
      same(await ours.hash.digest(a), await theirs.hash.digest(a));
      if (size > 0) same(await ours.hash.mac(a, b), await theirs.hash.mac(a, b));
      same(await ours.kdf.extract(a, b), createHmac("sha256", a).update(b).digest());
    }
    const prk = bytes(32);
    same(await ours.kdf.extract(prk, prk), await theirs.kdf.extract(prk, prk));
    same(await ours.kdf.extract(bytes(0), prk), await ours.kdf.extract(new Uint8Array(32), prk));
    for (const length of [1, 12, 16, 32, 33, 64, 100, 255 * 32]) {
      same(await ours.kdf.expand(prk, bytes(0), length), await theirs.kdf.expand(prk, bytes(0), length));
      const info = bytes(50);
      same(await ours.kdf.expand(prk, info, length), await theirs.kdf.expand(prk, info, length));
    }
    await assert.rejects(ours.kdf.expand(prk, bytes(0), 255 * 32 + 1), { code: "crypto/input" });
    const key = bytes(32);
    const mac = await theirs.hash.mac(key, prk);
    assert.equal(await ours.hash.verifyMac(key, mac, prk), true);
    assert.equal(await ours.hash.verifyMac(key, mac.subarray(1), prk), false);
    mac[3]! ^= 1;
    assert.equal(await ours.hash.verifyMac(key, mac, prk), false);
  });

  it("signs what the other verifies, and the reverse", async () => {
    const message = bytes(99);
    const mine = await ours.signature.keygen();
    assert.equal(mine.signKey.length, 64);
    const signature = await ours.signature.sign(mine.signKey, message);
    assert.equal(await theirs.signature.verify(mine.publicKey, message, signature), true);
    same(signature, await theirs.signature.sign(mine.signKey.slice(0, 32), message));
    const other = await theirs.signature.keygen();
    const otherSignature = await theirs.signature.sign(other.signKey, message);
    assert.equal(await ours.signature.verify(other.publicKey, message, otherSignature), true);
    otherSignature[40]! ^= 4;
    assert.equal(await ours.signature.verify(other.publicKey, message, otherSignature), false);
    await assert.rejects(ours.signature.sign(mine.signKey.slice(0, 32), message), { code: "crypto/input" });
  });

  it("refuses wrong lengths and small-order keys in signatures without throwing", () => {
    assert.equal(ed25519Verify(bytes(31), bytes(3), bytes(64)), false);
    assert.equal(ed25519Verify(bytes(32), bytes(3), bytes(63)), false);
    // the identity as public key with R = identity and S = 0 verifies any message under a lax check
    const identityPoint = new Uint8Array(32).fill(0, 1).fill(1, 0, 1);
    const forged = new Uint8Array(64);
    forged.set(identityPoint);
    assert.equal(ed25519Verify(identityPoint, bytes(3), forged), false);
  });

  it("opens what the other seals, and the reverse", async () => {
    const ikm = bytes(32);
    const mine = await ours.hpke.deriveKeyPair(ikm);
    const other = await theirs.hpke.deriveKeyPair(ikm);
    const publicKey = await ours.hpke.exportPublicKey(mine.publicKey);
    same(publicKey, await theirs.hpke.exportPublicKey(other.publicKey));
    same(await ours.hpke.exportPrivateKey(mine.privateKey), await theirs.hpke.exportPrivateKey(other.privateKey));
    const [info, aad, plain] = [bytes(40), bytes(9), bytes(300)];
    for (const [from, to, key] of [
      [ours, theirs, other],
      [theirs, ours, mine],
      [ours, ours, mine],
    ] as const) {
      const sealed = await from.hpke.seal(await from.hpke.importPublicKey(publicKey), plain, info, aad);
      same(await to.hpke.open(key.privateKey, sealed.enc, sealed.ct, info, aad), plain);
      const exported = await from.hpke.exportSecret(await from.hpke.importPublicKey(publicKey), aad, 32, info);
      same(await to.hpke.importSecret(key.privateKey, aad, exported.enc, 32, info), exported.secret);
      sealed.ct[5]! ^= 1;
      await assert.rejects(to.hpke.open(key.privateKey, sealed.enc, sealed.ct, info, aad));
    }
    const [key, nonce] = [bytes(16), bytes(12)];
    same(await ours.hpke.encryptAead(key, nonce, aad, plain), await theirs.hpke.encryptAead(key, nonce, aad, plain));
    const sealed = await theirs.hpke.encryptAead(key, nonce, undefined, plain);
    same(await ours.hpke.decryptAead(key, nonce, undefined, sealed), plain);
    await assert.rejects(ours.hpke.decryptAead(key, nonce, aad, sealed), { code: "crypto/open" });
    await assert.rejects(ours.hpke.decryptAead(key, nonce, aad, bytes(15)), { code: "crypto/open" });
    await assert.rejects(ours.hpke.encryptAead(bytes(32), nonce, aad, plain), { code: "crypto/input" });
    await assert.rejects(ours.hpke.encryptAead(key, bytes(8), aad, plain), { code: "crypto/input" });
  });

  it("gives ChaCha20-Poly1305 of suite 3 as an independent implementation does", async () => {
    const [key, nonce, aad, plain] = [bytes(32), bytes(12), bytes(20), bytes(77)];
    const sealed = await chacha.hpke.encryptAead(key, nonce, aad, plain);
    same(sealed, chacha20poly1305(key, nonce, aad).encrypt(plain));
    same(await chacha.hpke.decryptAead(key, nonce, aad, sealed), plain);
  });

  const info = hex("4f6465206f6e2061204772656369616e2055726e");
  const aad = hex("436f756e742d30");
  const plain = hex("4265617574792069732074727574682c20747275746820626561757479");
  for (const vector of [
    {
      name: "RFC 9180 A.1.1, AES-128-GCM",
      suite: ours,
      ikm: "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
      publicKey: "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
      enc: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
      sealed: "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
      exported: "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee",
    },
    {
      name: "RFC 9180 A.2.1, ChaCha20-Poly1305",
      suite: chacha,
      ikm: "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
      publicKey: "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
      enc: "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
      sealed: "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
      exported: "4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e",
    },
  ]) {
    it(vector.name, async () => {
      const { hpke } = vector.suite;
      const pair = await hpke.deriveKeyPair(hex(vector.ikm));
      same(await hpke.exportPublicKey(pair.publicKey), hex(vector.publicKey));
      same(await hpke.open(pair.privateKey, hex(vector.enc), hex(vector.sealed), info, aad), plain);
      const secret = await hpke.importSecret(pair.privateKey, new Uint8Array(0), hex(vector.enc), 32, info);
      same(secret, hex(vector.exported));
    });
  }

  // RFC 7748 section 6.1 and its security considerations: points whose multiple is zero for every secret
  const lowOrder = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  it("refuses every low-order point, sealing and opening", async () => {
    const pair = await ours.hpke.generateKeyPair();
    for (const point of lowOrder.map(hex)) {
      assert.throws(() => x25519(new Uint8Array(32), bytes(32), point), { code: "crypto/input" });
      const key = await ours.hpke.importPublicKey(point);
      await assert.rejects(ours.hpke.seal(key, plain, info), { code: "crypto/input" });
      await assert.rejects(ours.hpke.open(pair.privateKey, point, bytes(48), info), { code: "crypto/input" });
    }
    // control: an honest point passes
    const out = new Uint8Array(32);
    x25519(out, bytes(32), x25519Public(bytes(32)));
    assert.notDeepEqual(out, new Uint8Array(32));
  });

  it("refuses keys of another length", async () => {
    await assert.rejects(ours.hpke.importPublicKey(bytes(31)), { code: "crypto/input" });
    await assert.rejects(ours.hpke.importPrivateKey(bytes(33)), { code: "crypto/input" });
    const pair = await ours.hpke.generateKeyPair();
    await assert.rejects(ours.hpke.open(pair.privateKey, bytes(31), bytes(48), info), { code: "crypto/input" });
  });
});
