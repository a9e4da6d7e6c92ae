import assert from "node:assert/strict";
import { IssuerKeys } from "../../tokens/keys.ts";
import { decodeInvitation, encodeInvitation, makeInvitation } from "../../tokens/invitation.ts";
import { makeSetting, NOW, ORIGIN } from "./setting.ts";

const invalid = { code: "token/invalid" };

describe("tokens/invitation", () => {
  it("is a token of class invite, each another, and none without a key", async () => {
    const { keys, redeemer } = await makeSetting();
    const [a, b] = [0, 1].map(() => makeInvitation(Buffer.alloc(162), keys, ORIGIN, NOW));
    assert.notDeepEqual(a, b);
    assert.equal(redeemer.check(a!, "invite", Buffer.alloc(32)).class, "invite");
    assert.throws(() => redeemer.check(a!, "deliver", Buffer.alloc(32)), invalid);
    const elsewhere = makeInvitation(Buffer.alloc(162), keys, ORIGIN.replace("a", "b"), NOW);
    assert.throws(() => redeemer.check(elsewhere, "invite", Buffer.alloc(32)), invalid);
    assert.throws(() => makeInvitation(Buffer.alloc(162), new IssuerKeys(), ORIGIN, NOW), {
      code: "token/unknown-key",
    });
    assert.throws(() => makeInvitation(Buffer.alloc(161), keys, ORIGIN, NOW), invalid);
  });

  it("travels as one line and comes back the same, and nothing else comes in", async () => {
    const { keys } = await makeSetting();
    const token = makeInvitation(Buffer.alloc(200).subarray(20, 182), keys, ORIGIN, NOW);
    const text = encodeInvitation(ORIGIN, token);
    assert.match(text, /^tacet-invite:a{56}\.onion\/[\w-]{216}$/);
    const out = Buffer.alloc(162);
    assert.equal(decodeInvitation(out, text), ORIGIN);
    assert.deepEqual(out, token);
    const bad = [
      "",
      text.slice(1),
      `${text}A`,
      `${text}\n`,
      ` ${text}`,
      text.slice(0, -1),
      text.slice(0, -4),
      `${text.slice(0, -1)}=`,
      `${text.slice(0, -1)}+`,
      text.replace("invite:", "invite:b"),
      text.replace("tacet-invite:a", "tacet-invite:A"),
      text.replace("tacet-invite:a", "tacet-invite:1"),
      text.replace(".onion/", ".onion:80/"),
      text.replace(".onion", ".org"),
    ];
    for (const line of bad) assert.throws(() => decodeInvitation(out, line), invalid, line);
    assert.throws(() => decodeInvitation(Buffer.alloc(161), text), invalid);
    assert.throws(() => encodeInvitation("example.org", token), invalid);
    assert.throws(() => encodeInvitation(ORIGIN, token.subarray(1)), invalid);
  });
});
