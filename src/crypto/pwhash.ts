// Argon2id (RFC 9106): keys from passphrases.
import sodium from "sodium-native";

export const SALT_LENGTH = sodium.crypto_pwhash_SALTBYTES;
/** Three passes over 256 MiB (libsodium's "moderate"): about a second, and as much for each guess. */
export const PASSPHRASE_COST = {
  passes: sodium.crypto_pwhash_OPSLIMIT_MODERATE,
  bytes: sodium.crypto_pwhash_MEMLIMIT_MODERATE,
} as const;

/** Fills `out` (locked memory) from a passphrase and a 16-byte salt, off the main thread. */
export async function passphraseKey(
  out: Buffer,
  passphrase: Uint8Array,
  salt: Uint8Array,
  cost: { readonly passes: number; readonly bytes: number },
): Promise<void> {
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13;
  await sodium.crypto_pwhash_async(out, passphrase, salt, cost.passes, cost.bytes, algorithm);
}
