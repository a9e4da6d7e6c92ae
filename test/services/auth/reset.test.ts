import assert from "node:assert/strict";
import { sign } from "../../../src/crypto/sign.ts";
import { decode } from "../../../src/wire/codec.ts";
import { clientList, credential, splitSigned } from "../../../src/wire/documents.ts";
import { DAY, keyPair, openArenas, Services, type KeyPair } from "../services.ts";
import { makeAlias, packageOf, proofOf, TestUser, offerOf } from "./test-user.ts";

describe("services/auth/reset", () => {
  let services: Services;
  let user: TestUser;
  beforeEach(async () => {
    services = await Services.open();
    user = await TestUser.register(services, "alice");
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  const recover = (name = user.name, as = user.recovery) => services.ask("as.recover", { name }, as);
  const requestOf = (fresh: KeyPair, list: Buffer, proof = proofOf(fresh, services.domain, user.name)) => ({
    name: user.name,
    clientKey: fresh.publicKey,
    proof,
    clientList: list,
  });
  const reset = async (recovery = user.recovery) => {
    const fresh = keyPair();
    user.list = Buffer.from((await recover()).clientList);
    const list = user.next([fresh], user.recovery, { recoveryKey: recovery.publicKey });
    const reply = await services.ask("as.reset", requestOf(fresh, list), user.recovery);
    user.list = list;
    user.recovery = recovery;
    return { ...reply, client: { keys: fresh, clientId: Buffer.from(reply.clientId) } };
  };
  const stranger = { code: "auth/signature" };

  it("lets each batch be drawn once more: the lost device has what was drawn before", async () => {
    const draw = (byte: number, { keys, clientId } = user.first) =>
      services.ask(
        "as.issueTokens",
        { userId: user.userId, clientId, tokenRequest: Buffer.concat([Buffer.of(4, 1), Buffer.alloc(32, byte)]) },
        keys,
      );
    await draw(1);
    await assert.rejects(draw(2), { code: "token/conflict" }); // control
    const { client } = await reset();
    await assert.rejects(draw(1), stranger);
    await draw(2, client);
    await assert.rejects(draw(3, client), { code: "token/conflict" });
  });

  it("tells the recovery key's holder alone what the next list has to follow", async () => {
    const { userId, clientList: newest } = await recover();
    assert.deepEqual([userId, newest], [user.userId, user.list]);
    await makeAlias(services, "alias");
    const wrong: [Buffer, KeyPair][] = [
      [user.name, user.client],
      [user.name, keyPair()],
      [Buffer.from("nobody"), user.recovery],
      [Buffer.from("a1ice"), user.recovery],
      [Buffer.from("alias"), user.recovery],
      [Buffer.alloc(0), user.recovery],
    ];
    for (const [name, as] of wrong) await assert.rejects(recover(name, as), stranger);
  });

  it("replaces clients, packages, waiting requests and profile; name and user id stay", async () => {
    const second = await user.add();
    await user.put([user.package()], user.package(1));
    await services.ask("as.connect", { name: user.name, offer: offerOf("an offer") });
    const token = Buffer.alloc(32, 5);
    const profile = Buffer.alloc(1024, 6);
    await services.ask("as.putProfile", { ...user.who, version: 1, token, profile }, user.client);
    assert.deepEqual((await services.ask("as.getProfile", { token })).profile, profile); // control

    const { userId, client, credential: document } = await reset();
    await services.reopen();
    assert.deepEqual(userId, user.userId);
    const found = decode(credential, splitSigned(Buffer.from(document)).body);
    assert.deepEqual([found.name, found.userId], [user.name, user.userId]);
    assert.deepEqual(found.clientKey, client.keys.publicKey);
    for (const old of [user.first, second]) await assert.rejects(user.direct(0, old), stranger);
    assert.deepEqual(await user.direct(0, client), []);
    assert.equal((await services.ask("as.discover", { name: user.name })).found, 0);
    assert.equal((await services.ask("as.getProfile", { token })).profile.length, 0);
    await services.ask("as.connect", { name: user.name, offer: offerOf("anew") });
    assert.deepEqual(await user.direct(0, client), [{ sequence: 1, offer: "anew" }]);
    await user.put([], packageOf(client.keys, services.now, 1), client);
    const shown = await services.ask("as.discover", { name: user.name });
    assert.deepEqual(shown.credential, document);
    // whoever knew the list before sees that the recovery key made this one
    const list = decode(clientList, splitSigned(Buffer.from(shown.clientList)).body);
    assert.deepEqual([list.number, list.signer], [3, user.recovery.publicKey]);
  });

  it("is done once in 30 days, and answered again when it is repeated", async () => {
    const { client } = await reset();
    const again = requestOf(client.keys, user.list);
    const { clientId } = await services.ask("as.reset", again, user.recovery);
    assert.deepEqual(clientId, client.clientId);
    services.now += 29 * DAY;
    await services.reopen();
    await assert.rejects(reset(), { code: "account/limit" });
    await user.direct(0, client);
    services.now += DAY;
    const next = keyPair();
    const other = await reset(next); // and another recovery key with it
    await assert.rejects(user.direct(0, client), stranger);
    services.now += 30 * DAY;
    await reset();
    await assert.rejects(user.direct(0, other.client), stranger);
  });

  it("is refused from every other key, for every list that does not follow, for every false proof", async () => {
    const fresh = keyPair();
    const good = user.next([fresh], user.recovery);
    const ask = (list: Buffer, as = user.recovery, proof?: Buffer) =>
      services.ask("as.reset", requestOf(fresh, list, proof), as);
    for (const as of [user.client, fresh, keyPair()]) await assert.rejects(ask(good, as), stranger);
    for (const list of [
      user.next([fresh], user.client),
      user.next([fresh], fresh),
      user.next([fresh], user.recovery, { by: fresh }),
      user.next([fresh, user.client], user.recovery),
      user.next([user.client], user.recovery),
      user.next([fresh], user.recovery, { number: 1 }),
      user.next([fresh], user.recovery, { previous: undefined }),
    ]) {
      await assert.rejects(ask(list), { code: "account/clients" });
    }
    const own = user.next([user.client], user.recovery);
    const keep = { name: user.name, clientKey: user.client.publicKey, clientList: own };
    const proof = proofOf(user.client, services.domain, user.name);
    await assert.rejects(services.ask("as.reset", { ...keep, proof }, user.recovery), { code: "account/clients" });
    await assert.rejects(ask(good, user.recovery, sign(Buffer.alloc(64), "request", fresh.secretKey)), stranger);
    await user.direct(); // nothing has happened
    await ask(good);
    await assert.rejects(user.direct(), stranger);
  });

  it("calls a deletion off", async () => {
    await services.ask("as.deleteAccount", { ...user.who, attempt: 1, recovery: Buffer.alloc(0) }, user.client);
    const { client } = await reset();
    services.now += 3 * DAY;
    assert.equal(await services.removeEnded(), 0);
    await user.direct(0, client);
  });
});
