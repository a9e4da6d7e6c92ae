import assert from "node:assert/strict";
import { fingerprint } from "../../src/crypto/fingerprint.ts";

describe("crypto/fingerprint", () => {
  // libsignal, rust/protocol/src/fingerprint.rs: its test of version 1.
  const alice = Buffer.from("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868", "hex");
  const bob = Buffer.from("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b", "hex");
  const expected = "300354477692869396892869876765458257569162576843440918079131";

  it("gives the digits that Signal gives", () => {
    const digits = [fingerprint(alice, Buffer.from("+14152222222")), fingerprint(bob, Buffer.from("+14153333333"))];
    assert.equal(digits.toSorted().join(""), expected);
  });

  it("is another for every other key and id", () => {
    const own = fingerprint(alice, Buffer.from("1"));
    assert.match(own, /^\d{30}$/);
    assert.notEqual(fingerprint(alice, Buffer.from("2")), own);
    assert.notEqual(fingerprint(bob, Buffer.from("1")), own);
  });
});
