import assert from "node:assert/strict";
import { operations, type OperationName } from "../../src/wire/operations.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { parseIssuerDirectory } from "../../tokens/issuer-directory.ts";
import { directoryOf, drawForeign } from "../external.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { invitationToken, rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";

describe("[4.9] a house that only issues", function () {
  this.timeout(30_000);
  let house: TestHouse;
  let raw: RawHouse;
  before(async () => {
    house = await startTestHouse({ policy: { issuerOnly: true, types: [VOPRF, BLIND_RSA] } });
    raw = await rawHouse(house);
  });
  after(async () => {
    raw.close();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  it("registers accounts, issues both types, and publishes its keys", async () => {
    const account = await rawAccount(house, raw, "somebody");
    assert.equal(
      (await account.draw("invite", 1).catch((error: Error) => error.message)).toString(),
      "token/allowance",
    );
    const tokens = await drawForeign(house, "deliver", 2, { origin: `${"b".repeat(56)}.onion` });
    assert.equal(tokens.length, 2);
    assert.equal(parseIssuerDirectory(await directoryOf(house), "deliver").length, 1);
  });

  it("knows no other operation, and leaves the token where it was", async () => {
    const token = invitationToken(house);
    const names = Object.keys(operations) as OperationName[];
    const issuing = ["as.register", "as.issueTokens"];
    assert.ok(names.length > 10);
    for (const operation of names) {
      const { code } = await raw.ask({ operation, request: Buffer.alloc(0), token, signer: () => Buffer.alloc(64) });
      if (issuing.includes(operation)) assert.notEqual(code, "wire/unknown-operation");
      else assert.equal(code, "wire/unknown-operation", operation);
    }
    await rawAccount(house, raw, "somebody.else", { slot: token });
  });
});
