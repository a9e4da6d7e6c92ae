// HPKE base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, every secret in locked memory.
// Composed here from libsodium because the known libraries leave keys and plaintext in the V8 heap.
import sodium from "sodium-native";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { isZero, lockedAlloc, wipe } from "../memory/locked.ts";
import { hmac } from "./hmac.ts";
import { hpkeInfo, hpkeReplyExport, type HpkePurpose } from "./labels.ts";
import { randomFill } from "./random.ts";

export const ENC_LENGTH = 32;
export const TAG_LENGTH = 16;
/** An encryption context: key(32) || base nonce(12) || exporter secret(32). Lives in caller-owned locked memory. */
export const CONTEXT_LENGTH = 76;
/** Bytes that sealing a reply adds: response nonce(32) and tag(16). */
export const REPLY_OVERHEAD = 48;

const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
const KEM_ID = Buffer.from("4b454d0020", "hex"); // "KEM" || 0x0020, RFC 9180 section 4.1
const SUITE_ID = Buffer.from("48504b45002000010003", "hex"); // "HPKE" || 0x0020 || 0x0001 || 0x0003, section 5.1
const labelled = (suite: Buffer, label: string): Buffer => Buffer.concat([ascii("HPKE-v1"), suite, ascii(label)]);
const expandLabel = (suite: Buffer, label: string, length: number): Buffer =>
  Buffer.concat([Buffer.from([length >> 8, length & 255]), labelled(suite, label)]);

const L = {
  eaePrk: labelled(KEM_ID, "eae_prk"),
  sharedSecret: expandLabel(KEM_ID, "shared_secret", 32),
  secret: labelled(SUITE_ID, "secret"),
  key: expandLabel(SUITE_ID, "key", 32),
  baseNonce: expandLabel(SUITE_ID, "base_nonce", 12),
  exp: expandLabel(SUITE_ID, "exp", 32),
  sec: expandLabel(SUITE_ID, "sec", 32),
};
const ONE = Buffer.from([1]);
const ZERO_SALT = Buffer.alloc(32);
const EMPTY = Buffer.alloc(0);
const REPLY_CONTEXT = ascii(hpkeReplyExport);
const REPLY_KEY = ascii("key");
const REPLY_NONCE = ascii("nonce");

// key_schedule_context = mode_base(0) || psk_id_hash || info_hash, RFC 9180 section 5.1; one per purpose.
function scheduleContext(info: string): Buffer {
  const pskIdHash = Buffer.alloc(32);
  const infoHash = Buffer.alloc(32);
  hmac(pskIdHash, ZERO_SALT, labelled(SUITE_ID, "psk_id_hash"));
  hmac(infoHash, ZERO_SALT, labelled(SUITE_ID, "info_hash"), ascii(info));
  return Buffer.concat([Buffer.from([0]), pskIdHash, infoHash]);
}
const contexts = Object.fromEntries(
  Object.entries(hpkeInfo).map(([purpose, info]) => [purpose, scheduleContext(info)]),
) as Record<HpkePurpose, Buffer>;

// One workspace: everything here is synchronous, and wiped before it returns.
const work = {
  dh: lockedAlloc(32),
  prk: lockedAlloc(32),
  shared: lockedAlloc(32),
  secret: lockedAlloc(32),
  block: lockedAlloc(32),
  nonce: lockedAlloc(12),
  salt: lockedAlloc(64),
};
const wipeWork = (): void => wipe(...Object.values(work));

// RFC 9180 sections 4.1 (ExtractAndExpand) and 5.1 (KeySchedule).
function schedule(context: Buffer, dh: Buffer, enc: Uint8Array, publicKey: Uint8Array, purpose: HpkePurpose): void {
  if (isZero(dh)) throw new Fault("crypto/input"); // section 7.1.4
  hmac(work.prk, ZERO_SALT, L.eaePrk, dh);
  hmac(work.shared, work.prk, L.sharedSecret, enc, publicKey, ONE);
  hmac(work.secret, work.shared, L.secret, EMPTY);
  hmac(context.subarray(0, 32), work.secret, L.key, contexts[purpose], ONE);
  hmac(work.block, work.secret, L.baseNonce, contexts[purpose], ONE);
  context.set(work.block.subarray(0, 12), 32);
  hmac(context.subarray(44, 76), work.secret, L.exp, contexts[purpose], ONE);
}

// ComputeNonce(seq), section 5.2; this house uses sequence numbers below 256.
function nonceOf(context: Uint8Array, sequence: number): Buffer {
  work.nonce.set(context.subarray(32, 44));
  work.nonce[11] = work.nonce[11]! ^ sequence;
  return work.nonce;
}

/** The receiver's key pair; the private half is unreadable while unused and gone after `destroy`. */
export class ReceiverKey {
  readonly purpose: HpkePurpose;
  /** 32 bytes. */
  readonly publicKey = Buffer.alloc(32);
  readonly #secret: GuardedKey;

  /** A fresh pair, or the one of `secret` (32 bytes, copied into guarded memory). */
  constructor(purpose: HpkePurpose, secret?: Uint8Array) {
    this.purpose = purpose;
    this.#secret = new GuardedKey(32, (memory) => {
      if (secret === undefined) randomFill(memory);
      else memory.set(secret);
      sodium.crypto_scalarmult_base(this.publicKey, memory);
    });
  }

  /** SetupBaseR: writes the context (76 locked bytes) for `enc`. Throws Fault `crypto/open`. */
  setup(context: Buffer, enc: Uint8Array): void {
    try {
      this.#secret.use((secret) => sodium.crypto_scalarmult(work.dh, secret, enc));
      schedule(context, work.dh, enc, this.publicKey, this.purpose);
    } catch {
      throw new Fault("crypto/open");
    } finally {
      wipeWork();
    }
  }

  destroy(): void {
    this.#secret.destroy();
  }
}

/** SetupBaseS: writes the context (76 locked bytes) and `enc` (32 bytes) towards `publicKey`. Throws `crypto/input`. */
export function setupSender(context: Buffer, enc: Uint8Array, purpose: HpkePurpose, publicKey: Uint8Array): void {
  const ephemeral = work.secret; // overwritten by the schedule after its last use
  try {
    randomFill(ephemeral);
    sodium.crypto_scalarmult_base(enc, ephemeral);
    sodium.crypto_scalarmult(work.dh, ephemeral, publicKey);
    schedule(context, work.dh, enc, publicKey, purpose);
  } catch {
    throw new Fault("crypto/input");
  } finally {
    wipeWork();
  }
}

/** Context.Seal: `out` takes plain.length + 16 bytes. `sequence` is 0 to 255 and never used twice with one context. */
export function sealWith(
  context: Uint8Array,
  sequence: number,
  out: Uint8Array,
  plain: Uint8Array,
  associated: Uint8Array | null = null,
): void {
  try {
    const nonce = nonceOf(context, sequence);
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(out, plain, associated, null, nonce, context.subarray(0, 32));
  } finally {
    wipe(work.nonce);
  }
}

/** Context.Open: `out` takes sealed.length - 16 bytes. Throws Fault `crypto/open` and leaves `out` zero. */
export function openWith(
  context: Uint8Array,
  sequence: number,
  out: Uint8Array,
  sealed: Uint8Array,
  associated: Uint8Array | null = null,
): void {
  try {
    const nonce = nonceOf(context, sequence);
    sodium.crypto_aead_chacha20poly1305_ietf_decrypt(out, null, sealed, associated, nonce, context.subarray(0, 32));
  } catch {
    wipe(out);
    throw new Fault("crypto/open");
  } finally {
    wipe(work.nonce);
  }
}

// RFC 9458 section 4.4: secret = Export(label, 32); prk = Extract(enc || response_nonce, secret); key and nonce by Expand.
function replyKeys(context: Uint8Array, enc: Uint8Array, responseNonce: Uint8Array): void {
  hmac(work.secret, context.subarray(44, 76), L.sec, REPLY_CONTEXT, ONE);
  work.salt.set(enc);
  work.salt.set(responseNonce, ENC_LENGTH);
  hmac(work.prk, work.salt, work.secret);
  hmac(work.shared, work.prk, REPLY_KEY, ONE);
  hmac(work.block, work.prk, REPLY_NONCE, ONE);
}

/** Seals a reply into `out` (plain.length + 48 bytes): response nonce(32) || ciphertext || tag. */
export function sealReply(out: Uint8Array, context: Uint8Array, enc: Uint8Array, plain: Uint8Array): void {
  try {
    const responseNonce = randomFill(out.subarray(0, 32));
    replyKeys(context, enc, responseNonce);
    const nonce = work.block.subarray(0, 12);
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(out.subarray(32), plain, null, null, nonce, work.shared);
  } finally {
    wipeWork();
  }
}

/** Opens a reply into `out` (sealed.length - 48 bytes). Throws Fault `crypto/open`. */
export function openReply(out: Uint8Array, context: Uint8Array, enc: Uint8Array, sealed: Uint8Array): void {
  try {
    if (sealed.length < REPLY_OVERHEAD) throw new Fault("crypto/open");
    replyKeys(context, enc, sealed.subarray(0, 32));
    const nonce = work.block.subarray(0, 12);
    sodium.crypto_aead_chacha20poly1305_ietf_decrypt(out, null, sealed.subarray(32), null, nonce, work.shared);
  } catch {
    wipe(out);
    throw new Fault("crypto/open");
  } finally {
    wipeWork();
  }
}
