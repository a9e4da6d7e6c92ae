// The recovery key: made of a secret that people keep as 24 words, and used when they come back with nothing else.
import { derive } from "../crypto/derive.ts";
import { readRecoveryWords } from "../crypto/recovery-words.ts";
import type { SignaturePurpose } from "../crypto/labels.ts";
import { SECRET_KEY_LENGTH, sign, signKeypair } from "../crypto/sign.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { ClientError } from "./errors.ts";

export interface RecoveryKey {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;
  readonly sign: (out: Uint8Array, purpose: SignaturePurpose, ...parts: Uint8Array[]) => void;
  readonly destroy: () => void;
}

/** The key of a secret of 32 bytes, which is copied. */
export function recoveryKeyOf(entropy: Uint8Array): RecoveryKey {
  const publicKey = Buffer.alloc(32);
  const seed = derive(lockedAlloc(32), "recoveryKey", entropy);
  const key = new GuardedKey(SECRET_KEY_LENGTH, (memory) => signKeypair(publicKey, memory, seed));
  wipe(seed);
  return {
    publicKey,
    sign: (out, purpose, ...parts) => void key.use((secret) => sign(out, purpose, secret, ...parts)),
    destroy: () => key.destroy(),
  };
}

/** Runs `use` with the key of these words. ClientError `account/words`. */
export async function withRecoveryKey<T>(words: string, use: (key: RecoveryKey) => Promise<T>): Promise<T> {
  const entropy = lockedAlloc(32);
  if (!readRecoveryWords(entropy, words)) throw new ClientError("account/words");
  const key = recoveryKeyOf(entropy);
  wipe(entropy);
  try {
    return await use(key);
  } finally {
    key.destroy();
  }
}
