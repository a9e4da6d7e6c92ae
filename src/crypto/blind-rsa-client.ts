// RSABSSA-SHA384-PSS-Deterministic (RFC 9474): the client's half. The blind is what unlinks a token from its issuance:
// it, its inverse and the encoded message stay in locked memory and never become a BigInt (src/crypto/montgomery.ts).
// The power of the blind is computed by OpenSSL, which clears its own copies.
import { constants, publicEncrypt } from "node:crypto";
import { Fault } from "../fault.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { verifySignature } from "./blind-rsa.ts";
import { derive } from "./derive.ts";
import { encodePss, SALT_LENGTH } from "./emsa-pss.ts";
import { Modulus } from "./montgomery.ts";
import type { RsaPublicKey } from "./rsa-spki.ts";

/** Bytes of the secret from which the blind and the salt of one message come. */
export const SEED_LENGTH = 32;

const BLOCK = 64;

/** Blinds messages and finishes signatures under one key. Holds the key and locked scratch memory, no state. */
export class BlindRsaClient {
  readonly #key: RsaPublicKey;
  readonly #modulus: Modulus;
  readonly #blind: Buffer;
  readonly #work: Buffer;
  readonly #salt = lockedAlloc(SALT_LENGTH);

  /** Fault `crypto/input` when the modulus is even or shorter than its bytes. */
  constructor(key: RsaPublicKey) {
    this.#key = key;
    this.#modulus = new Modulus(key.modulus);
    this.#blind = lockedAlloc(this.#modulus.size);
    this.#work = lockedAlloc(this.#modulus.size);
  }

  /**
   * out = the blinded message (section 4.2, Blind) with a given blind and salt (48 bytes). Fault `crypto/input` on a
   * blind that is 0 or not below the modulus, and where blind or message share a factor with it.
   */
  blindWith<B extends Uint8Array>(out: B, message: Uint8Array, blind: Uint8Array, salt: Uint8Array): B {
    if (!this.#modulus.holds(blind)) throw new Fault("crypto/input");
    const power = publicEncrypt({ key: this.#key.key, padding: constants.RSA_NO_PADDING }, blind);
    try {
      this.#modulus.multiply(out, encodePss(this.#work, message, salt), power);
      // The product shares a factor with the modulus when one of the two does, and may be looked at openly.
      if (!this.#modulus.isUnit(out)) throw new Fault("crypto/input");
      return out;
    } finally {
      wipe(power, this.#work);
    }
  }

  /**
   * out = the signature of `message` from the issuer's answer to it (section 4.4, Finalize). Faults: `crypto/input` on a
   * wrong length or range, `token/invalid` when the result is no signature of the key.
   */
  finalizeWith<B extends Uint8Array>(out: B, message: Uint8Array, blind: Uint8Array, blindSignature: Uint8Array): B {
    if (!this.#modulus.holds(blind) || !this.#modulus.holds(blindSignature)) throw new Fault("crypto/input");
    try {
      this.#modulus.multiply(out, this.#modulus.invert(this.#work, blind), blindSignature);
      if (verifySignature(this.#key, message, out)) return out;
      wipe(out);
      throw new Fault("token/invalid");
    } finally {
      wipe(this.#work);
    }
  }

  /** As `blindWith`, with the blind and the salt of a seed (32 secret bytes, used for one message only). */
  blind<B extends Uint8Array>(out: B, message: Uint8Array, seed: Uint8Array): B {
    try {
      return this.blindWith(out, message, this.#expand(seed), this.#saltOf(seed));
    } finally {
      wipe(this.#blind, this.#salt);
    }
  }

  /** As `finalizeWith`, with the blind of a seed. */
  finalize<B extends Uint8Array>(out: B, message: Uint8Array, seed: Uint8Array, blindSignature: Uint8Array): B {
    try {
      return this.finalizeWith(out, message, this.#expand(seed), blindSignature);
    } finally {
      wipe(this.#blind);
    }
  }

  // Uniform below the modulus for anybody without the seed: whole candidates, drawn until one fits.
  #expand(seed: Uint8Array): Buffer {
    for (let attempt = 0; ; attempt++) {
      for (let at = 0; at < this.#blind.length; at += BLOCK)
        derive(this.#blind.subarray(at, at + BLOCK), "rsaBlind", seed, Buffer.from([attempt, at / BLOCK]));
      if (this.#modulus.holds(this.#blind)) return this.#blind;
    }
  }

  #saltOf(seed: Uint8Array): Buffer {
    return derive(this.#salt, "rsaSalt", seed);
  }
}
