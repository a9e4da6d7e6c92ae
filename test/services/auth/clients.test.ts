import assert from "node:assert/strict";
import { clientIdOf } from "../../../src/client/client-list.ts";
import { randomBytes } from "../../../src/crypto/random.ts";
import { verify } from "../../../src/crypto/sign.ts";
import { decode } from "../../../src/wire/codec.ts";
import { clientList, credential, splitSigned } from "../../../src/wire/documents.ts";
import { DAY, keyPair, NOON, openArenas, Services } from "../services.ts";
import { packageOf, proofOf, TestUser, offerOf, type TestClient } from "./test-user.ts";

const TODAY = NOON / DAY - 0.5;

describe("services/auth/clients", () => {
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

  const listed = (as: TestClient = user.first, after = 0) =>
    services.ask("as.listClients", { userId: user.userId, clientId: as.clientId, after }, as.keys);
  const discovered = () => services.ask("as.discover", { name: user.name });
  const keysIn = (document: Uint8Array) =>
    decode(clientList, splitSigned(document).body).clients.map((one) => Buffer.from(one));
  const expired = { code: "account/expired" };
  const stranger = { code: "auth/signature" };
  const unfit = { code: "account/clients" };
  const limited = { code: "account/limit" };

  it("a client adds another, which has an id that both can compute, and a credential of its own", async () => {
    const second = await user.add();
    assert.deepEqual(second.clientId, clientIdOf(user.userId, second.keys.publicKey));
    assert.deepEqual(user.clientId, clientIdOf(user.userId, user.client.publicKey));
    const renewed = await services.ask(
      "as.renewCredential",
      { userId: user.userId, clientId: second.clientId },
      second.keys,
    );
    const { body, signature } = splitSigned(Buffer.from(renewed.credential));
    assert.equal(verify(signature, "credential", services.issuerKey.publicKey, body), true);
    const { clientKey, clientId, userId, name } = decode(credential, body);
    assert.deepEqual([clientKey, clientId], [second.keys.publicKey, second.clientId]);
    assert.deepEqual([userId, name], [user.userId, user.name]);
    assert.deepEqual(await user.direct(0, second), []);
  });

  it("shows each change to the other clients and to who looks the user up, with the client that signed it", async () => {
    await user.put([], user.package(1));
    const first = user.list;
    const second = await user.add();
    await services.reopen();
    const third = await user.add([second], second);
    await user.leave([user.client, third.keys], third);
    const { lists, number, clients } = await listed(third);
    assert.equal(number, 4);
    assert.deepEqual(lists[0], first);
    assert.deepEqual(
      lists.map((one) => Buffer.from(decode(clientList, splitSigned(one).body).signer)),
      [user.client, user.client, second.keys, third.keys].map(({ publicKey }) => publicKey),
    );
    assert.deepEqual((await listed(third, 2)).lists, lists.slice(2));
    assert.deepEqual((await listed(third, 9)).lists, []);
    assert.deepEqual(
      clients.map(({ clientId }) => Buffer.from(clientId)),
      [user.clientId, third.clientId],
    );
    const found = await discovered();
    assert.deepEqual(Buffer.from(found.clientList), user.list);
    assert.deepEqual(keysIn(found.clientList), [user.client.publicKey, third.keys.publicKey]);
  });

  it("a removed client can do nothing any more", async () => {
    const second = await user.add();
    await user.put([packageOf(second.keys, services.now)], packageOf(second.keys, services.now, 1), second);
    assert.equal((await discovered()).found, 1);
    await user.leave([user.client]);
    await services.reopen();
    const who = { userId: user.userId, clientId: second.clientId };
    const keys = second.keys;
    const last = packageOf(keys, services.now, 1);
    const tokenRequest = Buffer.concat([Buffer.from([4, 1]), randomBytes(8)]);
    for (const attempt of [
      () => services.ask("as.readDirect", { ...who, acknowledge: 0 }, keys),
      () => services.ask("as.issueTokens", { ...who, tokenRequest }, keys),
      () => services.ask("as.putConnectionPackages", { ...who, packages: [], lastResort: last }, keys),
      () => services.ask("as.listClients", { ...who, after: 0 }, keys),
      () => services.ask("as.renewCredential", who, keys),
      () => services.ask("as.rename", { ...who, name: Buffer.from("mallory") }, keys),
      () => services.ask("as.deleteAccount", { ...who, attempt: 1, recovery: Buffer.alloc(0) }, keys),
      () => services.ask("as.cancelDeletion", { ...who, attempt: 0 }, keys),
      () =>
        services.ask(
          "as.putProfile",
          { ...who, version: 1, token: Buffer.alloc(32, 1), profile: Buffer.alloc(1024) },
          keys,
        ),
      () => user.add([second], second),
      () => user.leave([keys], second),
    ]) {
      await assert.rejects(attempt(), stranger);
    }
    assert.equal((await discovered()).found, 0); // what it published is gone, too
    await user.put([], user.package(1));
    assert.equal((await discovered()).found, 1);
  });

  it("takes ten clients, not eleven, but one in the place of another", async () => {
    const others: TestClient[] = [];
    for (let i = 0; i < 9; i++) others.push(await user.add(others));
    await services.reopen();
    await assert.rejects(user.add(others.slice(1)), limited);
    await assert.rejects(user.add(others), { code: "wire/malformed" }); // no list has room for it
    await user.leave(user.keysOf(others.slice(1)));
    await user.add(others.slice(1));
    assert.equal((await listed()).clients.length, 10);
  });

  it("takes 20 changes in a period, not 21, and 20 again in the next", async () => {
    services.now = Math.ceil(NOON / (30 * DAY)) * 30 * DAY;
    for (let i = 0; i < 10; i++) {
      await user.add();
      if (i === 5) await services.reopen();
      await user.leave([user.client]);
    }
    services.now += 30 * DAY - 1;
    await assert.rejects(user.add(), limited);
    services.now += 1;
    await user.add();
    await user.leave([user.client]);
  });

  it("refuses every list that does not follow", async () => {
    const second = await user.add();
    const keys = keyPair();
    const proof = proofOf(keys, services.domain, user.name);
    const add = (list: Buffer, as = user.first, own = proof) =>
      services.ask(
        "as.addClient",
        { userId: user.userId, clientId: as.clientId, clientKey: keys.publicKey, proof: own, clientList: list },
        as.keys,
      );
    const clients = [...user.keysOf([second]), keys];
    const stray = keyPair();
    for (const list of [
      user.next(clients, user.client, { number: 2 }),
      user.next(clients, user.client, { number: 4 }),
      user.next(clients, user.client, { previous: Buffer.from("another") }),
      user.next(clients, user.client, { previous: undefined }),
      user.next(clients, user.client, { domain: randomBytes(32) }),
      user.next(clients, user.client, { userId: randomBytes(16) }),
      user.next(clients, user.client, { recoveryKey: stray.publicKey }),
      user.next(clients, second.keys), // somebody else signs than asks
      user.next(clients, user.recovery),
      user.next(clients, stray),
      user.next(clients, user.client, { by: second.keys }),
      user.next([...clients, stray], user.client),
      user.next(user.keysOf([second]), user.client),
      user.next([user.client, keys], user.client),
      user.next([...user.keysOf([second]), stray], user.client),
      user.next([user.client, user.client, second.keys, keys], user.client),
      user.next([...user.keysOf([second]), user.recovery], user.client),
    ]) {
      await assert.rejects(add(list), unfit);
    }
    const good = user.next(clients, user.client);
    for (const wrong of [Buffer.alloc(64), proofOf(stray, services.domain, user.name)])
      await assert.rejects(add(good, user.first, wrong), stranger);
    const added = await add(good); // control
    assert.deepEqual(await add(good), added); // a retry
    assert.equal((await listed()).number, 3);
  });

  it("refuses to remove nobody, two at once or the last, and answers a repeated removal", async () => {
    const second = await user.add();
    const third = await user.add([second]);
    const remove = (list: Buffer, as = user.first) =>
      services.ask("as.removeClient", { userId: user.userId, clientId: as.clientId, clientList: list }, as.keys);
    await assert.rejects(remove(user.next(user.keysOf([second, third]), user.client)), unfit);
    await assert.rejects(remove(user.next([user.client], user.client)), unfit);
    await assert.rejects(remove(user.next([user.client, keyPair()], user.client)), unfit);
    const list = user.next(user.keysOf([second]), user.client);
    await remove(list);
    await remove(list);
    user.list = list;
    await user.leave([second.keys]); // itself
    await assert.rejects(listed(), stranger);
    await assert.rejects(user.leave([], second), unfit);
    assert.equal((await listed(second)).clients.length, 1);
  });

  it("gives one place to two lists that come at once", async () => {
    const results = await Promise.allSettled([user.add(), user.add()]);
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    assert.equal((await listed()).clients.length, 2);
  });

  it("keeps the last 32 lists", async () => {
    services.now = Math.ceil(NOON / (30 * DAY)) * 30 * DAY;
    for (let i = 0; i < 17; i++) {
      if (i === 9) services.now += 30 * DAY;
      await user.add();
      await user.leave([user.client]);
    }
    const { lists, number } = await listed();
    assert.equal(number, 35);
    assert.deepEqual(
      lists.map((one) => decode(clientList, splitSigned(one).body).number),
      Array.from({ length: 32 }, (_, i) => i + 4),
    );
  });

  describe("a credential", () => {
    const renew = (as = user.first) =>
      services.ask("as.renewCredential", { userId: user.userId, clientId: as.clientId }, as.keys);
    const daysOf = (document: Uint8Array) => {
      const { notBefore, notAfter } = decode(credential, splitSigned(Buffer.from(document)).body);
      return [notBefore, notAfter];
    };

    it("is renewed once in 7 days", async () => {
      assert.deepEqual(Buffer.from((await renew()).credential), user.credential); // the day's own
      services.now += 6 * DAY;
      await assert.rejects(renew(), limited);
      await services.reopen();
      services.now += DAY;
      const renewed = (await renew()).credential;
      assert.deepEqual(daysOf(renewed), [TODAY + 7, TODAY + 97]);
      assert.deepEqual((await renew()).credential, renewed);
      services.now += DAY;
      await assert.rejects(renew(), limited);
    });

    it("can be renewed for a year after it has run out, and leads nobody anywhere meanwhile", async () => {
      await user.put([], user.package(1, 365));
      services.now += 90 * DAY;
      assert.equal((await discovered()).found, 1);
      services.now += DAY;
      assert.equal((await discovered()).found, 0);
      await assert.rejects(user.put([], user.package(1)), expired);
      services.now += 364 * DAY;
      await user.direct(); // still its own client
      assert.deepEqual(daysOf((await renew()).credential), [TODAY + 455, TODAY + 545]);
      await user.put([], user.package(1));
      assert.deepEqual(daysOf((await discovered()).credential), [TODAY + 455, TODAY + 545]);
      services.now += (90 + 366) * DAY;
      await assert.rejects(renew(), expired);
    });

    it("that discoverers get is that of the client that published last, renewed with it", async () => {
      const second = await user.add();
      await user.put([], user.package(1, 200));
      const shown = async () => decode(credential, splitSigned(Buffer.from((await discovered()).credential)).body);
      assert.deepEqual((await shown()).clientKey, user.client.publicKey);
      await user.put([], packageOf(second.keys, services.now, 1, 200), second);
      assert.deepEqual((await shown()).clientKey, second.keys.publicKey);
      services.now += 30 * DAY;
      await renew(user.first);
      assert.deepEqual([(await shown()).clientKey, (await shown()).notAfter], [second.keys.publicKey, TODAY + 90]);
      await renew(second);
      assert.equal((await shown()).notAfter, TODAY + 120);
    });
  });

  describe("requests that wait", () => {
    const connect = (text: string) => services.ask("as.connect", { name: user.name, offer: offerOf(text) });

    it("are there for each client until all of them have acknowledged", async () => {
      const second = await user.add();
      await connect("one");
      await connect("two");
      assert.equal((await user.direct(2)).length, 0);
      await services.reopen();
      assert.deepEqual(
        (await user.direct(0, second)).map(({ offer }) => offer),
        ["one", "two"],
      );
      const third = await user.add([second]);
      assert.equal((await user.direct(0, third)).length, 2);
      await user.direct(2, third);
      await user.direct(1, second);
      const fourth = await user.add([second, third]);
      assert.deepEqual(
        (await user.direct(0, fourth)).map(({ sequence }) => sequence),
        [2],
      );
    });

    it("are held back by no client that is gone", async () => {
      const second = await user.add();
      for (let i = 0; i < 3; i++) await connect(`offer ${i}`);
      await user.direct(3);
      await user.leave([user.client]);
      await connect("later");
      await user.direct(4);
      const third = await user.add();
      assert.deepEqual(await user.direct(0, third), []);
      assert.notDeepEqual(third.clientId, second.clientId);
    });

    it("go after 30 days, and make room", async () => {
      for (let i = 0; i < 100; i++) await connect(`offer ${i}`);
      services.now += DAY;
      for (let i = 0; i < 100; i++) await connect(`offer ${i}`);
      services.now += 29 * DAY;
      await connect("too many");
      assert.equal((await user.direct())[0]?.sequence, 1);
      services.now += DAY;
      await services.reopen();
      await connect("room again");
      assert.equal((await user.direct())[0]?.sequence, 101);
      assert.deepEqual(await user.direct(200), [{ sequence: 201, offer: "room again" }]);
    });

    it("are 100 a day for a target, not 101, whoever asks, and 100 again on the next", async () => {
      const writes = [];
      for (let i = 0; i < 101; i++) {
        if (i === 50) await services.reopen();
        writes.push((await services.asked("as.connect", { name: user.name, offer: offerOf("x") })).writes);
      }
      assert.deepEqual(writes.slice(99), [3, 0]);
      await user.direct(100);
      services.now = Math.ceil(services.now / DAY) * DAY - 1;
      await connect("no");
      assert.deepEqual(await user.direct(100), []);
      services.now += 1;
      await connect("yes");
      assert.equal((await user.direct(100)).length, 1);
    });
  });
});
