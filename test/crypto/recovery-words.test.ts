import assert from "node:assert/strict";
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { readRecoveryWords, recoveryWords } from "../../src/crypto/recovery-words.ts";

const read = (text: string): Buffer | undefined => {
  const out = Buffer.alloc(32, 1);
  if (readRecoveryWords(out, text)) return out;
  assert.deepEqual(out, Buffer.alloc(32), "nothing is left where nothing was read");
  return undefined;
};

describe("crypto/recovery-words", () => {
  // BIP-39's own test vectors (github.com/trezor/python-mnemonic, vectors.json), those of 256 bits.
  const vectors: [string, string][] = [
    ["00".repeat(32), `${"abandon ".repeat(23)}art`],
    [
      "7f".repeat(32),
      `${"legal winner thank year wave sausage worth useful ".repeat(2)}legal winner thank year wave sausage worth title`,
    ],
    ["ff".repeat(32), `${"zoo ".repeat(23)}vote`],
  ];
  for (const [entropy, words] of vectors) {
    it(`gives the standard's words for ${entropy.slice(0, 2)}...`, () => {
      assert.equal(recoveryWords(Buffer.from(entropy, "hex")), words);
      assert.deepEqual(read(words), Buffer.from(entropy, "hex"));
    });
  }

  it("agrees with another implementation, both ways", () => {
    for (let i = 0; i < 50; i++) {
      const entropy = randomBytes(32);
      const words = recoveryWords(entropy);
      assert.equal(words, entropyToMnemonic(entropy, wordlist));
      assert.deepEqual(Buffer.from(mnemonicToEntropy(words, wordlist)), entropy);
      assert.deepEqual(read(`  ${words.toUpperCase().replaceAll(" ", "\n ")} `), entropy);
    }
  });

  it("refuses a word too few, a word that is none, and nearly every exchanged word", () => {
    const words = recoveryWords(randomBytes(32)).split(" ");
    assert.equal(read(words.slice(1).join(" ")), undefined);
    assert.equal(read([...words, "zoo"].join(" ")), undefined);
    assert.equal(read([...words.slice(1), "tacet"].join(" ")), undefined);
    assert.equal(read(""), undefined);
    const accepted = wordlist.filter((word) => word !== words[3] && read(words.with(3, word).join(" ")) !== undefined);
    assert.ok(accepted.length < wordlist.length / 100, "a checksum of eight bits");
  });
});
