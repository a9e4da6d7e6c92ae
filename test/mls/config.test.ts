// Whom our clients take for a member or for the house; the library's own default takes anybody.
import assert from "node:assert/strict";
import { defaultAuthenticationService, type Credential } from "ts-mls";
import { clientConfig, paddedTo } from "../../src/mls/config.ts";
import { SENDER_IDENTITY } from "../../src/mls/suite.ts";
import { randomBytes } from "../../src/crypto/random.ts";

describe("authentication service", () => {
  const basic = (identity: Uint8Array): Credential => ({ credentialType: "basic", identity });
  const key = randomBytes(32);
  const wrong: [what: string, credential: Credential, key: Uint8Array][] = [
    ["an identity of another length", basic(randomBytes(17)), key],
    ["none", basic(new Uint8Array(0)), key],
    ["another house's identity", basic(Buffer.from("tacet delivery servicf")), key],
    ["a certificate", { credentialType: "x509", certificates: [randomBytes(16)] }, key],
    ["a key of another length", basic(randomBytes(16)), randomBytes(33)],
  ];

  it("takes pseudonyms and the house", async () => {
    const { authService } = clientConfig;
    assert.equal(await authService.validateCredential(basic(randomBytes(16)), key), true);
    assert.equal(await authService.validateCredential(basic(SENDER_IDENTITY), key), true);
  });
  for (const [what, credential, publicKey] of wrong) {
    it(`refuses ${what}`, async () => {
      assert.equal(await clientConfig.authService.validateCredential(credential, publicKey), false);
      assert.equal(await paddedTo(300).authService.validateCredential(credential, publicKey), false);
      // control: the library's own would not
      assert.equal(await defaultAuthenticationService.validateCredential(credential, publicKey), true);
    });
  }
});
