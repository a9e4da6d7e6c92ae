import assert from "node:assert/strict";
import { AuthorizationHeader, Token, TokenChallenge, WWWAuthenticateHeader } from "@cloudflare/privacypass-ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import {
  challengeDigest,
  challengeHeader,
  readAuthorization,
  tokenChallenge,
  typeOfChallenge,
} from "../../tokens/challenge.ts";
import { ORIGIN } from "./setting.ts";

// The entry of type 0x0005 as the other library describes types; it ships none of its own for it.
const entry = { value: 5, name: "", publicVerifiable: false, publicMetadata: false, privateMetadata: false };
const type5 = { ...entry, Nk: 64, Nid: 32 };

describe("tokens/challenge", () => {
  it("is the other library's challenge byte for byte, and its digest", () => {
    const theirs = new TokenChallenge(5, ORIGIN, new Uint8Array(0), [ORIGIN]).serialize();
    const ours = tokenChallenge(ORIGIN);
    assert.deepEqual(ours, Buffer.from(theirs));
    assert.deepEqual(challengeDigest(ours), sha256(Buffer.alloc(32), theirs));
    assert.notDeepEqual(ours, tokenChallenge(ORIGIN.replace("a", "b")));
  });

  it("names type and issuer when they are others", () => {
    const issuer = ORIGIN.replace("a", "b");
    const theirs = new TokenChallenge(2, issuer, new Uint8Array(0), [ORIGIN]).serialize();
    assert.deepEqual(tokenChallenge(ORIGIN, 2, issuer), Buffer.from(theirs));
    assert.equal(typeOfChallenge(tokenChallenge(ORIGIN, 2)), 2);
    assert.equal(typeOfChallenge(tokenChallenge(ORIGIN)), 5);
  });

  it("gives a WWW-Authenticate value that the other library reads", () => {
    const publicKey = randomBytes(32);
    const [read, ...more] = WWWAuthenticateHeader.parse(challengeHeader(tokenChallenge(ORIGIN), publicKey));
    assert.ok(read !== undefined && more.length === 0);
    assert.deepEqual(Buffer.from(read.tokenKey), publicKey);
    assert.deepEqual(Buffer.from(read.challenge.serialize()), tokenChallenge(ORIGIN));
    assert.deepEqual(read.challenge.originInfo, [ORIGIN]);
  });

  it("reads the other library's Authorization value, quoted or not", () => {
    const token = Buffer.concat([Buffer.from([0, 5]), randomBytes(160)]);
    const header = new AuthorizationHeader(Token.deserialize(type5, Uint8Array.from(token)));
    for (const quoted of [false, true])
      assert.deepEqual(readAuthorization(Buffer.alloc(162), header.toString(quoted)), token);
    assert.deepEqual(readAuthorization(Buffer.alloc(354), header.toString()), token);
    const longer = randomBytes(354);
    for (const quote of ["", '"']) {
      const value = `PrivateToken token=${quote}${longer.toString("base64url")}${quote}`;
      assert.deepEqual(readAuthorization(Buffer.alloc(354), value), longer);
      assert.throws(() => readAuthorization(Buffer.alloc(353), value), { code: "token/invalid" });
    }
    assert.deepEqual(readAuthorization(Buffer.alloc(162), header.toString().replace("Private", "private")), token);
  });

  it("refuses any other Authorization value", () => {
    const text = randomBytes(162).toString("base64url");
    const good = `PrivateToken token=${text}`;
    readAuthorization(Buffer.alloc(162), good);
    const bad = [
      "",
      "Bearer x",
      `PrivateToken ${text}`,
      `PrivateToken token=${text}=`,
      `PrivateToken token="${text}`,
      `PrivateToken token=${text.slice(4)}`,
      `PrivateToken token=${randomBytes(351).toString("base64url")}`,
      `PrivateToken token=${randomBytes(357).toString("base64url")}`,
      `PrivateToken token=${text}AAAA`,
      `PrivateToken token=${text.slice(1)}+`,
      `${good}, ${good}`,
      `${good}, extensions=AAAA`,
      `${good}\n`,
      ` ${good}`,
    ];
    for (const header of bad)
      assert.throws(() => readAuthorization(Buffer.alloc(162), header), { code: "token/invalid" }, header);
    assert.throws(() => readAuthorization(Buffer.alloc(161), good), { code: "token/invalid" });
  });
});
