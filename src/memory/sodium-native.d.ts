// Types of the part of sodium-native 5.1 that the house uses; the package ships none.
declare module "sodium-native" {
  type Bytes = Uint8Array;
  interface Sodium {
    sodium_malloc(size: number): Buffer;
    sodium_free(buffer: Buffer): void;
    sodium_memzero(buffer: Bytes): void;
    sodium_memcmp(a: Bytes, b: Bytes): boolean;
    sodium_is_zero(buffer: Bytes, length?: number): boolean;
    sodium_mprotect_noaccess(buffer: Buffer): void;
    sodium_mprotect_readonly(buffer: Buffer): void;
    sodium_mprotect_readwrite(buffer: Buffer): void;
    randombytes_buf(buffer: Bytes): void;
    randombytes_uniform(bound: number): number;
    crypto_generichash(out: Bytes, input: Bytes, key?: Bytes): void;
    crypto_generichash_batch(out: Bytes, input: Bytes[], key?: Bytes): void;
    crypto_hash_sha256_STATEBYTES: number;
    crypto_hash_sha256(out: Bytes, input: Bytes): void;
    crypto_hash_sha256_init(state: Bytes): void;
    crypto_hash_sha256_update(state: Bytes, input: Bytes): void;
    crypto_hash_sha256_final(state: Bytes, out: Bytes): void;
    crypto_hash_sha512(out: Bytes, input: Bytes): void;
    crypto_hash_sha512_STATEBYTES: number;
    crypto_hash_sha512_init(state: Bytes): void;
    crypto_hash_sha512_update(state: Bytes, input: Bytes): void;
    crypto_hash_sha512_final(state: Bytes, out: Bytes): void;
    crypto_sign_keypair(publicKey: Bytes, secretKey: Bytes): void;
    crypto_sign_seed_keypair(publicKey: Bytes, secretKey: Bytes, seed: Bytes): void;
    crypto_sign_detached(signature: Bytes, message: Bytes, secretKey: Bytes): void;
    crypto_sign_verify_detached(signature: Bytes, message: Bytes, publicKey: Bytes): boolean;
    crypto_scalarmult(out: Bytes, secret: Bytes, point: Bytes): void;
    crypto_scalarmult_base(out: Bytes, secret: Bytes): void;
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      out: Bytes,
      message: Bytes,
      ad: Bytes | null,
      nsec: null,
      nonce: Bytes,
      key: Bytes,
    ): number;
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      out: Bytes,
      nsec: null,
      sealed: Bytes,
      ad: Bytes | null,
      nonce: Bytes,
      key: Bytes,
    ): number;
    crypto_aead_chacha20poly1305_ietf_encrypt(
      out: Bytes,
      message: Bytes,
      ad: Bytes | null,
      nsec: null,
      nonce: Bytes,
      key: Bytes,
    ): number;
    crypto_aead_chacha20poly1305_ietf_decrypt(
      out: Bytes,
      nsec: null,
      sealed: Bytes,
      ad: Bytes | null,
      nonce: Bytes,
      key: Bytes,
    ): number;
    crypto_pwhash(out: Bytes, password: Bytes, salt: Bytes, opslimit: number, memlimit: number, alg: number): void;
    crypto_pwhash_async(
      out: Bytes,
      password: Bytes,
      salt: Bytes,
      opslimit: number,
      memlimit: number,
      alg: number,
    ): Promise<void>;
    crypto_pwhash_ALG_ARGON2ID13: number;
    crypto_pwhash_OPSLIMIT_MODERATE: number;
    crypto_pwhash_MEMLIMIT_MODERATE: number;
    crypto_pwhash_SALTBYTES: number;
  }
  const sodium: Sodium;
  export default sodium;
}
