// The onion address code against addresses from rend-spec-v3 and every way to misspell one.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { onionAddress, parseOnionAddress } from "../../tor/onion-address.ts";

// The three examples of rend-spec-v3, section 6 [ONIONADDRESS].
const examples = [
  "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
  "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion",
  "xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion",
];
const [example = ""] = examples;
const refused = (address: string): void =>
  assert.throws(() => parseOnionAddress(address), new Fault("tor/address"), address);

describe("onion address", () => {
  it("reads the specification's addresses and writes them again", () => {
    for (const address of examples) assert.equal(onionAddress(parseOnionAddress(address)), address);
  });

  it("gives back any key", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        assert.deepEqual(parseOnionAddress(onionAddress(key)), key);
      }),
    );
  });

  it("refuses an address with any one character changed", () => {
    for (let at = 0; at < example.length; at++)
      refused(example.slice(0, at) + (example[at] === "a" ? "b" : "a") + example.slice(at + 1));
  });

  it("refuses other versions though their checksum is right", () => {
    const key = parseOnionAddress(example);
    const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    const spell = (version: number): string => {
      const prefix = Buffer.from(".onion checksum");
      const sum = createHash("sha3-256").update(prefix).update(key).update(Buffer.of(version)).digest().subarray(0, 2);
      const bits = [...key, ...sum, version].map((byte) => byte.toString(2).padStart(8, "0")).join("");
      return `${(bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join("")}.onion`;
    };
    assert.equal(spell(3), example);
    for (const version of [0, 2, 4, 255]) refused(spell(version));
  });

  it("refuses other spellings, lengths and names", () => {
    const name = example.slice(0, -6);
    for (const address of ["", ".onion", name, example.toUpperCase(), `${example}.`, ` ${example}`, `a.${example}`])
      refused(address);
    for (const address of [`${name}a.onion`, `${name.slice(1)}.onion`, `${name}.oniom`, "example.org"])
      refused(address);
  });

  it("refuses a key that has not 32 bytes", () => {
    for (const length of [0, 31, 33])
      assert.throws(() => onionAddress(new Uint8Array(length)), new Fault("tor/address"));
  });
});
