// RSABSSA-SHA384-PSS-Deterministic (RFC 9474) with 2048 bits: the issuer's half and the check of a finished signature.
// What tokens of type 0x0002 are made of; src/crypto/blind-rsa-client.ts has the client's half.
//
// RSA runs in OpenSSL, which blinds the exponentiation and checks its result against a fault before it gives it out.
// A private key lies as PKCS#8 in guarded memory. For the length of a batch it is also an OpenSSL key in swappable
// memory, which OpenSSL clears when the garbage collector lets go of it: that moment is not in our hands.
import { constants, createPrivateKey, createPublicKey, generateKeyPair, privateDecrypt, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { wipe } from "../memory/locked.ts";
import { SALT_LENGTH } from "./emsa-pss.ts";
import { isBelow } from "./montgomery.ts";
import { MODULUS_LENGTH, readSpki, type RsaPublicKey, SPKI_LENGTH, writeSpki } from "./rsa-spki.ts";

export { MODULUS_LENGTH, readSpki, type RsaPublicKey, SPKI_LENGTH };

export interface BlindRsaKey {
  /** PKCS#8, about 1,220 bytes. */
  readonly secret: GuardedKey;
  readonly secretLength: number;
  /** RFC 9578 section 6.5: 342 bytes. */
  readonly publicKey: Buffer;
}

const MODULUS_BITS = 8 * MODULUS_LENGTH;
const EXPONENT = 65537;
/** More than any PKCS#8 of a 2048-bit key has. */
const MAX_SECRET_LENGTH = 1400;
const generate = promisify(generateKeyPair);

// A SEQUENCE with two bytes of length that ends where the bytes do: OpenSSL itself would ignore what follows.
const isWhole = (der: Uint8Array): boolean =>
  der.length <= MAX_SECRET_LENGTH &&
  der[0] === 0x30 &&
  der[1] === 0x82 &&
  der.length === 4 + 256 * (der[2] ?? 0) + (der[3] ?? 0);

function privateKeyOf(pkcs8: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  } catch {
    throw new Fault("crypto/input");
  }
}

/** The key pair of an exported secret, which the caller wipes. Fault `crypto/input` unless 2048 bits and 65537. */
export function importBlindRsaKey(pkcs8: Uint8Array): BlindRsaKey {
  if (!isWhole(pkcs8)) throw new Fault("crypto/input");
  let publicKey: Buffer = Buffer.alloc(0);
  const secret = new GuardedKey(pkcs8.length, (memory) => {
    memory.set(pkcs8);
    const key = privateKeyOf(memory);
    const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
    if (key.asymmetricKeyType !== "rsa" || modulusLength !== MODULUS_BITS || publicExponent !== BigInt(EXPONENT))
      throw new Fault("crypto/input");
    const pkcs1 = createPublicKey(key).export({ format: "der", type: "pkcs1" });
    publicKey = writeSpki(pkcs1.subarray(-5 - MODULUS_LENGTH, -5));
  });
  return { secret, secretLength: pkcs8.length, publicKey };
}

/** A fresh key pair, found on another thread. */
export async function generateBlindRsaKey(): Promise<BlindRsaKey> {
  const { privateKey } = await generate("rsa", {
    modulusLength: MODULUS_BITS,
    publicExponent: EXPONENT,
    publicKeyEncoding: { format: "der", type: "pkcs1" },
    privateKeyEncoding: { format: "der", type: "pkcs8" },
  });
  try {
    return importBlindRsaKey(privateKey);
  } finally {
    wipe(privateKey);
  }
}

/** out = the blind signature of one blinded message, 256 bytes each. */
export type BlindSign = (out: Uint8Array, blinded: Uint8Array) => void;

/**
 * Opens a private key for a batch (RFC 9474 section 4.3, BlindSign). The function it gives throws Fault `crypto/input`
 * unless the blinded message is exactly 256 bytes and below the modulus; drop it when the batch is done.
 */
export function openSigner(key: BlindRsaKey): BlindSign {
  const { modulus } = readSpki(key.publicKey);
  const privateKey = key.secret.use(privateKeyOf);
  return (out, blinded) => {
    if (blinded.length !== MODULUS_LENGTH || !isBelow(blinded, modulus)) throw new Fault("crypto/input");
    out.set(privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, blinded));
  };
}

/** True when `signature` is the key's over `message` (RSASSA-PSS, RFC 8017 section 8.1.2). Wrong lengths are false. */
export const verifySignature = (key: RsaPublicKey, message: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === key.modulus.length &&
  verify(
    "sha384",
    message,
    { key: key.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: SALT_LENGTH },
    signature,
  );
