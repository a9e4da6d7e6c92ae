import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { verify } from "../../../src/crypto/sign.ts";
import { decode } from "../../../src/wire/codec.ts";
import { aliasCredential, splitSigned } from "../../../src/wire/documents.ts";
import { DAY, keyPair, NOON, openArenas, Services } from "../services.ts";
import { makeAlias, packageOf, proofOf, TestUser, offerOf } from "./test-user.ts";

const TODAY = NOON / DAY - 0.5;

describe("services/auth/alias", () => {
  let services: Services;
  beforeEach(async () => {
    services = await Services.open();
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  it("is found, asked and answered like a user, and shows a credential of no client", async () => {
    const alias = await makeAlias(services, "stage.name", 30);
    const discover = () => services.ask("as.discover", { name: alias.name });
    assert.equal((await discover()).found, 0);
    const [one, two, last] = [0, 0, 1].map((kind) => packageOf(alias.keys, services.now, kind as 0 | 1));
    const packages = { packages: [one!, two!], lastResort: last! };
    await services.ask("as.putConnectionPackages", { ...alias.who, ...packages }, alias.keys);
    await services.reopen();
    const { found, credential, clientList, connectionPackage } = await discover();
    assert.deepEqual([found, clientList.length, connectionPackage], [2, 0, one]);
    assert.deepEqual(credential, alias.credential);
    const { body, signature } = splitSigned(Buffer.from(credential));
    const { publicKey } = services.issuerKey;
    assert.equal(verify(signature, "aliasCredential", publicKey, body), true);
    assert.equal(verify(signature, "credential", publicKey, body), false);
    assert.deepEqual(decode(aliasCredential, body), {
      version: 1,
      aliasId: alias.aliasId,
      name: alias.name,
      domain: services.domain,
      aliasKey: alias.keys.publicKey,
      issuer: publicKey,
      notBefore: TODAY,
      notAfter: TODAY + 30,
    });
    assert.deepEqual((await discover()).connectionPackage, two);
    assert.deepEqual((await discover()).connectionPackage, last);
    await services.ask("as.connect", { name: alias.name, offer: offerOf("an offer") });
    const read = { ...alias.who, acknowledge: 0 };
    const { items } = await services.ask("as.readDirect", read, alias.keys);
    assert.deepEqual(items, [{ sequence: 1, offer: offerOf("an offer") }]);
  });

  it("has nothing in any record that a record of its user has, but the day", async () => {
    const user = await TestUser.register(services, "alice");
    await user.put([user.package()], user.package(1));
    const before = await services.dump();
    const alias = await makeAlias(services, "stage.name", 30);
    const lastResort = packageOf(alias.keys, services.now, 1);
    await services.ask("as.putConnectionPackages", { ...alias.who, packages: [], lastResort }, alias.keys);
    const after = await services.dump();
    const known = new Set(before.opened.map(({ room, value }) => room + value.toString("hex")));
    const fresh = after.opened.filter(({ room, value }) => !known.has(room + value.toString("hex")));
    const rooms = fresh.map(({ room }) => room).toSorted();
    assert.deepEqual(rooms, ["account", "accountEnd", "name"]);
    const ids = [user.userId, user.clientId, user.client.publicKey, user.recovery.publicKey, user.name];
    for (const one of ids) assert.ok(fresh.every(({ value }) => !value.includes(one)));
    for (const one of [alias.aliasId]) assert.ok(fresh.some(({ value }) => value.includes(one))); // control
  });

  it("is no user: it draws no tokens and has no clients, names, profiles or resets", async () => {
    const alias = await makeAlias(services, "stage.name");
    const { who, keys, name } = alias;
    const nothing = Buffer.alloc(0);
    const tokenRequest = Buffer.concat([Buffer.from([4, 1]), randomBytes(8)]);
    const proof = proofOf(keys, services.domain, name);
    const profile = { version: 1, token: Buffer.alloc(32, 1), profile: Buffer.alloc(1024) };
    const key = { clientKey: keys.publicKey, proof, clientList: nothing };
    for (const refused of [
      services.ask("as.issueTokens", { ...who, tokenRequest }, keys),
      services.ask("as.listClients", { ...who, after: 0 }, keys),
      services.ask("as.renewCredential", who, keys),
      services.ask("as.addClient", { ...who, ...key }, keys),
      services.ask("as.removeClient", { ...who, clientList: nothing }, keys),
      services.ask("as.rename", { ...who, name: Buffer.from("another") }, keys),
      services.ask("as.putProfile", { ...who, ...profile }, keys),
      services.ask("as.deleteAccount", { ...who, attempt: 1, recovery: nothing }, keys),
      services.ask("as.cancelDeletion", { ...who, attempt: 0 }, keys),
      services.ask("as.recover", { name }, keys),
      services.ask("as.reset", { name, ...key }, keys),
    ]) {
      await assert.rejects(refused, { code: "auth/signature" });
    }
    await services.ask("as.readDirect", { ...who, acknowledge: 0 }, keys); // control
  });

  it("lasts 1 to 180 days, and is made for a free name with its own key only", async () => {
    for (const days of [0, 181])
      await assert.rejects(makeAlias(services, "stage.name", days), { code: "account/limit" });
    await assert.rejects(makeAlias(services, "a..b"), { code: "account/name" });
    const [keys, name] = [keyPair(), Buffer.from("stage.name")];
    const request = { name, aliasKey: keys.publicKey, proof: proofOf(keyPair(), services.domain, name), days: 30 };
    await assert.rejects(services.ask("as.createAlias", request), { code: "auth/signature" });
    await makeAlias(services, "stage.name", 180);
    await makeAlias(services, "other.name", 1);
    await assert.rejects(makeAlias(services, "stage.name"), { code: "account/taken" });
    await assert.rejects(TestUser.register(services, "stage.name"), { code: "account/taken" });
  });
});
