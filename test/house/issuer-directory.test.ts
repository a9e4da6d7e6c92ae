import assert from "node:assert/strict";
import { buildIssuerDirectory } from "../../src/house/issuer-directory.ts";
import { IssuerKeys } from "../../tokens/keys.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { DAY, NOW } from "../tokens/setting.ts";

describe("house/issuer-directory", () => {
  it("lists each type's keys from the newest to the oldest, and none of class invite", async () => {
    const keys = new IssuerKeys([BLIND_RSA, VOPRF]);
    for (const now of [NOW - 30 * DAY, NOW - 10 * DAY]) await keys.rotate(now, async () => undefined);
    assert.deepEqual([...new Set(keys.all.map(({ epoch }) => epoch))], [699, 700]);
    const { "token-keys": listed, ...rest } = JSON.parse(buildIssuerDirectory(keys.all).toString()) as {
      "token-keys": Record<string, unknown>[];
    };
    assert.deepEqual(rest, { "issuer-request-uri": "/token-request" });
    assert.equal(listed.length, 2 * 2 * 4);
    for (const type of [VOPRF, BLIND_RSA]) {
      const ofType = listed.filter((key) => key["token-type"] === type);
      const starts = ofType.map((key) => Number(key["not-before"]) / DAY);
      assert.deepEqual(starts, [...Array<number>(4).fill(700 * 30), ...Array<number>(4).fill(699 * 30)]);
      assert.equal(new Set(ofType.map((key) => key["token-key"])).size, 8);
    }
    const invite = keys.current("invite", NOW).publicKey.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
    assert.ok(!JSON.stringify(listed).includes(invite));
    const deliver = listed.find((key) => key["tacet-class"] === "deliver" && key["token-type"] === BLIND_RSA);
    const text = String(deliver?.["token-key"]);
    assert.deepEqual(Buffer.from(text, "base64url"), keys.current("deliver", NOW, BLIND_RSA).publicKey);
    assert.ok(text.length % 4 === 0 && !/[+/]/.test(text));
  });
});
