// HPKE base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256 for MLS, whose `info` differs in every call.
// Secrets that leave towards the MLS library live in its state; those that stay are wiped here.
import sodium from "sodium-native";
import { Fault } from "../fault.ts";
import { isZero, lockedAlloc, wipe } from "../memory/locked.ts";
import { hmac } from "./hmac.ts";
import { randomFill } from "./random.ts";

/** An AEAD of RFC 9180 section 7.3; nonces are 12 bytes, tags 16. `open` throws Fault `crypto/open`. */
export interface Aead {
  readonly id: number;
  readonly keyLength: number;
  seal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plain: Uint8Array): Uint8Array;
  open(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array;
}

/** A raw X25519 key (32 bytes) under the type the MLS library passes through without looking inside. */
interface RawKey {
  readonly type: "public" | "private";
  readonly raw: Uint8Array;
}

/** The MLS library's `Hpke`, on raw keys. */
export interface MlsHpke {
  keyLength: number;
  nonceLength: number;
  seal(
    publicKey: RawKey,
    plain: Uint8Array,
    info: Uint8Array,
    aad?: Uint8Array,
  ): Promise<{ ct: Uint8Array; enc: Uint8Array }>;
  open(
    privateKey: RawKey,
    enc: Uint8Array,
    sealed: Uint8Array,
    info: Uint8Array,
    aad?: Uint8Array,
  ): Promise<Uint8Array>;
  exportSecret(
    publicKey: RawKey,
    context: Uint8Array,
    length: number,
    info: Uint8Array,
  ): Promise<{ enc: Uint8Array; secret: Uint8Array }>;
  importSecret(
    privateKey: RawKey,
    context: Uint8Array,
    enc: Uint8Array,
    length: number,
    info: Uint8Array,
  ): Promise<Uint8Array>;
  importPrivateKey(raw: Uint8Array): Promise<RawKey>;
  importPublicKey(raw: Uint8Array): Promise<RawKey>;
  exportPublicKey(key: RawKey): Promise<Uint8Array>;
  exportPrivateKey(key: RawKey): Promise<Uint8Array>;
  encryptAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array | undefined, plain: Uint8Array): Promise<Uint8Array>;
  decryptAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array | undefined, sealed: Uint8Array): Promise<Uint8Array>;
  deriveKeyPair(ikm: Uint8Array): Promise<{ privateKey: RawKey; publicKey: RawKey }>;
  generateKeyPair(): Promise<{ privateKey: RawKey; publicKey: RawKey }>;
}

const EMPTY = new Uint8Array(0);
const ZERO_SALT = new Uint8Array(32); // RFC 5869 section 2.2: a salt that is not given is a string of zeros
const VERSION = Buffer.from("HPKE-v1");
const KEM_ID = Buffer.from("4b454d0020", "hex"); // "KEM" || 0x0020

/** HKDF-Extract (RFC 5869 section 2.2) over the parts joined, 32 bytes. */
export function hkdfExtract(salt: Uint8Array, ...ikm: Uint8Array[]): Buffer {
  const prk = Buffer.allocUnsafeSlow(32);
  hmac(prk, salt.length === 0 ? ZERO_SALT : salt, ...ikm);
  return prk;
}

/** HKDF-Expand (RFC 5869 section 2.3) to `length` bytes, `info` being the parts joined. */
export function hkdfExpand(prk: Uint8Array, length: number, ...info: Uint8Array[]): Buffer {
  if (length > 255 * 32) throw new Fault("crypto/input");
  const blocks = Buffer.allocUnsafeSlow(Math.ceil(length / 32) * 32);
  let previous: Uint8Array = EMPTY;
  for (let i = 0; i * 32 < length; i++) {
    const block = blocks.subarray(i * 32, (i + 1) * 32);
    hmac(block, prk, previous, ...info, Uint8Array.of(i + 1));
    previous = block;
  }
  return blocks.subarray(0, length);
}

// RFC 9180 section 4: LabeledExtract and LabeledExpand.
const labeledExtract = (suite: Buffer, salt: Uint8Array, label: string, ikm: Uint8Array): Buffer =>
  hkdfExtract(salt, VERSION, suite, Buffer.from(label), ikm);
const labeledExpand = (suite: Buffer, prk: Uint8Array, label: string, length: number, ...info: Uint8Array[]): Buffer =>
  hkdfExpand(prk, length, Uint8Array.of(length >> 8, length & 255), VERSION, suite, Buffer.from(label), ...info);

const dh = lockedAlloc(32);

/** X25519 (RFC 7748). An all-zero result is refused (RFC 9180 section 7.1.4). Throws Fault `crypto/input`. */
export function x25519(out: Uint8Array, secret: Uint8Array, point: Uint8Array): void {
  if (secret.length !== 32 || point.length !== 32) throw new Fault("crypto/input");
  try {
    sodium.crypto_scalarmult(out, secret, point);
  } catch {
    throw new Fault("crypto/input"); // libsodium's own refusal of a low-order point
  }
  if (isZero(out)) throw new Fault("crypto/input");
}

/** The public key of an X25519 secret. */
export function x25519Public(secret: Uint8Array): Uint8Array {
  if (secret.length !== 32) throw new Fault("crypto/input");
  const publicKey = new Uint8Array(32);
  sodium.crypto_scalarmult_base(publicKey, secret);
  return publicKey;
}

// Section 4.1: ExtractAndExpand(dh, enc || pkR).
function sharedSecret(secret: Uint8Array, point: Uint8Array, enc: Uint8Array, receiver: Uint8Array): Buffer {
  let prk: Buffer | undefined;
  try {
    x25519(dh, secret, point);
    prk = labeledExtract(KEM_ID, EMPTY, "eae_prk", dh);
    return labeledExpand(KEM_ID, prk, "shared_secret", 32, enc, receiver);
  } finally {
    wipe(dh, prk);
  }
}

function encap(receiver: Uint8Array): { shared: Buffer; enc: Uint8Array } {
  const ephemeral = randomFill(Buffer.allocUnsafeSlow(32));
  try {
    const enc = x25519Public(ephemeral);
    return { shared: sharedSecret(ephemeral, receiver, enc, receiver), enc };
  } finally {
    wipe(ephemeral);
  }
}

const decap = (secret: Uint8Array, enc: Uint8Array): Buffer => sharedSecret(secret, enc, enc, x25519Public(secret));

function pair(raw: Uint8Array): { privateKey: RawKey; publicKey: RawKey } {
  return { privateKey: { type: "private", raw }, publicKey: { type: "public", raw: x25519Public(raw) } };
}

// The library takes plain views: a Buffer's `slice` would be a view where it expects a copy.
const view = (b: Buffer): Uint8Array => new Uint8Array(b.buffer, b.byteOffset, b.byteLength);
function key(raw: Uint8Array, type: RawKey["type"]): RawKey {
  if (raw.length !== 32) throw new Fault("crypto/input");
  return { type, raw };
}

export function makeHpke(aead: Aead): MlsHpke {
  const suite = Buffer.concat([Buffer.from("HPKE"), Buffer.from([0, 0x20, 0, 1, 0, aead.id])]);
  const pskIdHash = labeledExtract(suite, EMPTY, "psk_id_hash", EMPTY);
  const MODE_BASE = Uint8Array.of(0);

  // Section 5.1. `use` gets what it asks for by label; everything derived on the way is wiped after it.
  function withSchedule<T>(
    shared: Buffer,
    info: Uint8Array,
    use: (derive: (label: string, length: number) => Buffer) => T,
  ): T {
    const infoHash = labeledExtract(suite, EMPTY, "info_hash", info);
    const secret = labeledExtract(suite, shared, "secret", EMPTY);
    const derived: Buffer[] = [secret, shared];
    try {
      return use((label, length) => {
        const out = labeledExpand(suite, secret, label, length, MODE_BASE, pskIdHash, infoHash);
        derived.push(out);
        return out;
      });
    } finally {
      wipe(...derived);
    }
  }
  // Section 5.3: Context.Export.
  const exported = (shared: Buffer, info: Uint8Array, context: Uint8Array, length: number): Uint8Array =>
    withSchedule(shared, info, (derive) => view(labeledExpand(suite, derive("exp", 32), "sec", length, context)));

  return {
    keyLength: aead.keyLength,
    nonceLength: 12,
    async seal(publicKey, plain, info, aad = EMPTY) {
      const { shared, enc } = encap(publicKey.raw);
      const ct = withSchedule(shared, info, (derive) =>
        aead.seal(derive("key", aead.keyLength), derive("base_nonce", 12), aad, plain),
      );
      return { ct, enc };
    },
    async open(privateKey, enc, sealed, info, aad = EMPTY) {
      return withSchedule(decap(privateKey.raw, enc), info, (derive) =>
        aead.open(derive("key", aead.keyLength), derive("base_nonce", 12), aad, sealed),
      );
    },
    async exportSecret(publicKey, context, length, info) {
      const { shared, enc } = encap(publicKey.raw);
      return { enc, secret: exported(shared, info, context, length) };
    },
    async importSecret(privateKey, context, enc, length, info) {
      return exported(decap(privateKey.raw, enc), info, context, length);
    },
    async importPrivateKey(raw) {
      return key(raw, "private");
    },
    async importPublicKey(raw) {
      return key(raw, "public");
    },
    async exportPublicKey(publicKey) {
      return publicKey.raw;
    },
    async exportPrivateKey(privateKey) {
      return privateKey.raw;
    },
    async encryptAead(aeadKey, nonce, aad, plain) {
      return aead.seal(aeadKey, nonce, aad ?? EMPTY, plain);
    },
    async decryptAead(aeadKey, nonce, aad, sealed) {
      return aead.open(aeadKey, nonce, aad ?? EMPTY, sealed);
    },
    // Section 7.1.3: sk = LabeledExpand(LabeledExtract("", "dkp_prk", ikm), "sk", "", Nsk)
    async deriveKeyPair(ikm) {
      const prk = labeledExtract(KEM_ID, EMPTY, "dkp_prk", ikm);
      try {
        return pair(view(labeledExpand(KEM_ID, prk, "sk", 32)));
      } finally {
        wipe(prk);
      }
    },
    async generateKeyPair() {
      return pair(view(randomFill(Buffer.allocUnsafeSlow(32))));
    },
  };
}
