// The recovery secret as 24 words: BIP-39's English list and checksum, for 256 bits. As text it is for people's eyes only.
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { sha256 } from "./hash.ts";

export const ENTROPY_LENGTH = 32;
const WORDS = 24;
const BITS = 11;

const indexOf = new Map(wordlist.map((word, index) => [word, index]));

// 256 bits, then the first 8 of their SHA-256 (BIP-39, "Generating the mnemonic").
function checked(entropy: Uint8Array, out: Buffer): void {
  const digest = lockedAlloc(32);
  out.set(entropy);
  out[ENTROPY_LENGTH] = sha256(digest, entropy)[0]!;
  wipe(digest);
}

/** The words of `entropy` (32 bytes), each with a space between. */
export function recoveryWords(entropy: Uint8Array): string {
  const bits = lockedAlloc(ENTROPY_LENGTH + 1);
  checked(entropy, bits);
  const words: string[] = [];
  for (let i = 0; i < WORDS; i++) {
    let index = 0;
    for (let bit = i * BITS; bit < (i + 1) * BITS; bit++)
      index = (index << 1) | ((bits[bit >> 3]! >> (7 - (bit & 7))) & 1);
    words.push(wordlist[index]!);
  }
  wipe(bits);
  return words.join(" ");
}

/** Writes the entropy of 24 words into `out` (32 locked bytes); false, and zeros, when they are not such words. */
export function readRecoveryWords(out: Buffer, text: string): boolean {
  const words = text.normalize("NFKD").trim().toLowerCase().split(/\s+/);
  const bits = lockedAlloc(ENTROPY_LENGTH + 1);
  const again = lockedAlloc(ENTROPY_LENGTH + 1);
  try {
    const known = words.length === WORDS && words.every((word) => indexOf.has(word));
    for (const [i, word] of known ? words.entries() : []) {
      const index = indexOf.get(word)!;
      for (let j = 0; j < BITS; j++) {
        const bit = i * BITS + j;
        bits[bit >> 3]! |= ((index >> (BITS - 1 - j)) & 1) << (7 - (bit & 7));
      }
    }
    checked(bits.subarray(0, ENTROPY_LENGTH), again);
    const good = known && equal(bits, again);
    if (good) out.set(bits.subarray(0, ENTROPY_LENGTH));
    else out.fill(0);
    return good;
  } finally {
    wipe(bits, again);
  }
}
