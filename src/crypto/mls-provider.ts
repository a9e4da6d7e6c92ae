// The primitives of MLS cipher suites 1 and 3 (RFC 9420 section 17.1) on sodium-native and node:crypto.
import { createCipheriv, createDecipheriv } from "node:crypto";
import sodium from "sodium-native";
import { Fault } from "../fault.ts";
import { equal, wipe } from "../memory/locked.ts";
import { sha256 } from "./hash.ts";
import { hmac } from "./hmac.ts";
import { hkdfExpand, hkdfExtract, makeHpke, type Aead, type MlsHpke } from "./mls-hpke.ts";
import { randomBytes } from "./random.ts";

/** What one cipher suite must do. Structurally the MLS library's `CiphersuiteImpl`; bytes in, bytes out. */
interface MlsSuite<Name extends string = string> {
  name: Name;
  hash: {
    digest(data: Uint8Array): Promise<Uint8Array>;
    mac(key: Uint8Array, data: Uint8Array): Promise<Uint8Array>;
    verifyMac(key: Uint8Array, mac: Uint8Array, data: Uint8Array): Promise<boolean>;
  };
  kdf: {
    size: number;
    extract(salt: Uint8Array, ikm: Uint8Array): Promise<Uint8Array>;
    expand(prk: Uint8Array, info: Uint8Array, length: number): Promise<Uint8Array>;
  };
  signature: {
    sign(signKey: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
    verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
    keygen(): Promise<{ publicKey: Uint8Array; signKey: Uint8Array }>;
  };
  rng: { randomBytes(size: number): Uint8Array };
  hpke: MlsHpke;
}

const bytes = (b: Buffer): Uint8Array => new Uint8Array(b.buffer, b.byteOffset, b.byteLength);

/**
 * True when `signature` (64 bytes) is the Ed25519 signature of `message` by `publicKey` (32 bytes). libsodium refuses
 * non-canonical and small-order encodings, so every member and the server agree on what is valid. Never throws.
 */
export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  return sodium.crypto_sign_verify_detached(signature, message, publicKey);
}

/** Writes the 64-byte Ed25519 signature of `message`, which holds its own label (RFC 9420 section 5.1.2). */
export function ed25519Sign(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void {
  if (secretKey.length !== 64) throw new Fault("crypto/input");
  sodium.crypto_sign_detached(signature, message, secretKey);
}

// Each call is synchronous inside an async shell: no thread-pool hop and no key import per call, which is where the
// WebCrypto way spends most of a commit's time.
const suiteOf = <Name extends string>(name: Name, aead: Aead): MlsSuite<Name> => ({
  name,
  hash: {
    async digest(data) {
      return bytes(sha256(Buffer.allocUnsafeSlow(32), data));
    },
    async mac(key, data) {
      const mac = Buffer.allocUnsafeSlow(32);
      hmac(mac, key, data);
      return bytes(mac);
    },
    async verifyMac(key, mac, data) {
      const expected = Buffer.allocUnsafeSlow(32);
      hmac(expected, key, data);
      return equal(expected, mac);
    },
  },
  kdf: {
    size: 32,
    async extract(salt, ikm) {
      return bytes(hkdfExtract(salt, ikm));
    },
    async expand(prk, info, length) {
      return bytes(hkdfExpand(prk, length, info));
    },
  },
  signature: {
    async sign(signKey, message) {
      const signature = new Uint8Array(64);
      ed25519Sign(signature, message, signKey);
      return signature;
    },
    async verify(publicKey, message, signature) {
      return ed25519Verify(publicKey, message, signature);
    },
    // signKey is libsodium's form, seed(32) || public key(32), so that no signature has to derive it again
    async keygen() {
      const publicKey = new Uint8Array(32);
      const signKey = Buffer.allocUnsafeSlow(64);
      sodium.crypto_sign_keypair(publicKey, signKey);
      return { publicKey, signKey: bytes(signKey) };
    },
  },
  rng: { randomBytes: (size) => bytes(randomBytes(size)) },
  hpke: makeHpke(aead),
});

function aeadOf(id: number, algorithm: "aes-128-gcm" | "chacha20-poly1305", keyLength: number): Aead {
  const tag = { authTagLength: 16 } as const;
  const check = (key: Uint8Array, nonce: Uint8Array): void => {
    if (key.length !== keyLength || nonce.length !== 12) throw new Fault("crypto/input");
  };
  return {
    id,
    keyLength,
    seal(key, nonce, associated, plain) {
      check(key, nonce);
      // the two overloads differ in the algorithm's type only
      const cipher = createCipheriv(algorithm as "aes-128-gcm", key, nonce, tag);
      cipher.setAAD(associated, { plaintextLength: plain.length });
      const out = Buffer.allocUnsafeSlow(plain.length + 16);
      out.set(cipher.update(plain));
      cipher.final();
      out.set(cipher.getAuthTag(), plain.length);
      return bytes(out);
    },
    open(key, nonce, associated, sealed) {
      check(key, nonce);
      if (sealed.length < 16) throw new Fault("crypto/open");
      const length = sealed.length - 16;
      const decipher = createDecipheriv(algorithm as "aes-128-gcm", key, nonce, tag);
      decipher.setAAD(associated, { plaintextLength: length });
      decipher.setAuthTag(sealed.subarray(length));
      const plain = decipher.update(sealed.subarray(0, length));
      try {
        decipher.final();
      } catch {
        wipe(plain);
        throw new Fault("crypto/open");
      }
      return bytes(plain);
    },
  };
}

/** Cipher suites 1 and 3 by name. */
export const mlsSuites = {
  MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519: suiteOf(
    "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    aeadOf(1, "aes-128-gcm", 16),
  ),
  MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519: suiteOf(
    "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    aeadOf(3, "chacha20-poly1305", 32),
  ),
} as const;
