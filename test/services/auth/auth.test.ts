import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { verify } from "../../../src/crypto/sign.ts";
import { decode } from "../../../src/wire/codec.ts";
import { credential, splitSigned } from "../../../src/wire/documents.ts";
import { operations } from "../../../src/wire/operations.ts";
import { DAY, keyPair, NOON, openArenas, Services } from "../services.ts";
import { proofOf, registration, TestUser, offerOf } from "./test-user.ts";

describe("services/auth", () => {
  let services: Services;
  beforeEach(async () => {
    services = await Services.open();
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  describe("register", () => {
    it("signs a credential that binds name, ids, client key and house for 90 days", async () => {
      const user = await TestUser.register(services, "alice.w_1-x");
      const { body, signature } = splitSigned(user.credential);
      assert.equal(verify(signature, "credential", services.issuerKey.publicKey, body), true);
      const day = NOON / DAY - 0.5;
      assert.deepEqual(decode(credential, body), {
        version: 1,
        userId: user.userId,
        clientId: user.clientId,
        name: user.name,
        domain: services.domain,
        clientKey: user.client.publicKey,
        issuer: services.issuerKey.publicKey,
        notBefore: day,
        notAfter: day + 90,
      });
    });

    it("refuses what is no user name, 3 to 32 of its letters, and stores nothing", async () => {
      await TestUser.register(services, "abc");
      await TestUser.register(services, "a".repeat(32));
      for (const name of ["", "ab", "Alice", "1abc", ".abc", "al ice", "ali/ce", "älice", "abc\0", "a..b", "ab-"]) {
        await assert.rejects(TestUser.register(services, name), { code: "account/name" });
      }
      await assert.rejects(TestUser.register(services, "a".repeat(33)), { code: "wire/malformed" });
    });

    it("refuses a proof of another key, name or house", async () => {
      const [client, name] = [keyPair(), Buffer.from("alice")];
      const request = registration(services, client, keyPair(), name);
      const ask = (proof: Buffer) => services.ask("as.register", { ...request, proof });
      for (const proof of [
        proofOf(keyPair(), services.domain, name),
        proofOf(client, randomBytes(32), name),
        proofOf(client, services.domain, Buffer.from("alicf")),
        Buffer.alloc(64),
      ]) {
        await assert.rejects(ask(proof), { code: "auth/signature" });
      }
      await ask(proofOf(client, services.domain, name)); // control, and the name was still free
    });

    it("gives a name once, also to two at the same time and after a restart", async () => {
      const results = await Promise.allSettled(Array.from({ length: 4 }, () => TestUser.register(services, "alice")));
      const refused = results.filter((result) => result.status === "rejected");
      assert.equal(refused.length, 3);
      for (const { reason } of refused) assert.equal((reason as { code: string }).code, "account/taken");
      await services.reopen();
      await assert.rejects(TestUser.register(services, "alice"), { code: "account/taken" });
    });
  });

  describe("putConnectionPackages and discover", () => {
    const discover = async (name: string) => {
      const { found, ...rest } = await services.ask("as.discover", { name: Buffer.from(name) });
      return { found, credential: Buffer.from(rest.credential), package: Buffer.from(rest.connectionPackage) };
    };

    it("hand each package to one discoverer, then the last resort to all", async () => {
      const user = await TestUser.register(services, "alice");
      const packages = Array.from({ length: 64 }, () => user.package());
      const lastResort = user.package(1);
      await user.put(packages, lastResort);
      const handed = new Set<string>();
      for (let i = 0; i < 64; i++) {
        if (i === 30) await services.reopen();
        const found = await discover("alice");
        assert.equal(found.found, 1);
        assert.deepEqual(found.credential, user.credential);
        handed.add(found.package.toString("hex"));
      }
      assert.deepEqual(handed, new Set(packages.map((one) => one.toString("hex"))));
      for (let i = 0; i < 2; i++) assert.deepEqual((await discover("alice")).package, lastResort);
    });

    it("hand two discoverers at the same time two packages", async () => {
      const user = await TestUser.register(services, "alice");
      await user.put([user.package(), user.package()], user.package(1));
      const [one, two] = await Promise.all([discover("alice"), discover("alice")]);
      assert.notDeepEqual(one.package, two.package);
    });

    it("answer for an unknown name, and for one that cannot be reached, with nothing found", async () => {
      const nothing = { found: 0, credential: Buffer.alloc(0), package: Buffer.alloc(0) };
      assert.deepEqual(await discover("nobody"), nothing);
      assert.deepEqual(await discover(""), nothing);
      const user = await TestUser.register(services, "alice");
      assert.deepEqual(await discover("alice"), nothing);
      await user.put([], user.package(1));
      assert.equal((await discover("alice")).found, 1); // control
    });

    it("pass over packages that have run out, the last resort too", async () => {
      const user = await TestUser.register(services, "alice");
      const good = user.package(0, 10);
      const lastResort = user.package(1, 20);
      await user.put([user.package(0, 5), good, user.package(0, 5), user.package(0, 5)], lastResort);
      services.now += 6 * DAY;
      assert.deepEqual((await discover("alice")).package, good);
      assert.deepEqual((await discover("alice")).package, lastResort);
      services.now += 14 * DAY;
      assert.deepEqual((await discover("alice")).package, lastResort); // its last day
      services.now += DAY;
      assert.equal((await discover("alice")).found, 0);
    });

    it("a retried publication brings back nothing that was handed out", async () => {
      const user = await TestUser.register(services, "alice");
      const [one, two, last] = [user.package(), user.package(), user.package(1)];
      await user.put([one, two], last);
      const handed = (await discover("alice")).package;
      await user.put([one, two], last);
      assert.notDeepEqual((await discover("alice")).package, handed);
      assert.deepEqual((await discover("alice")).package, last);
    });

    it("a replayed older publication takes the place of no newer one", async () => {
      const user = await TestUser.register(services, "alice");
      const [one, two, last] = [user.package(), user.package(), user.package(1)];
      await user.put([one], last);
      await discover("alice");
      await user.put([two], last);
      await user.put([one], last);
      assert.deepEqual((await discover("alice")).package, two);
    });

    it("refuse 65 packages and every package that is not of the form", async () => {
      const user = await TestUser.register(services, "alice");
      const malformed = { code: "wire/malformed" };
      const many = Array.from({ length: 65 }, () => user.package());
      await assert.rejects(user.put(many, user.package(1)), malformed);
      const last = user.package(1);
      for (const wrong of [
        user.package(1),
        user.package(0, -1),
        user.package(0, 366),
        user.package(0, 30, 2),
        Buffer.concat([user.package(), Buffer.alloc(1)]),
        user.package().subarray(1),
        Buffer.alloc(0),
      ]) {
        await assert.rejects(user.put([user.package(), wrong], last), malformed);
      }
      await assert.rejects(user.put([], user.package(0)), malformed);
      await assert.rejects(user.put([], Buffer.alloc(0)), malformed);
      assert.equal((await discover("alice")).found, 0);
      await user.put([user.package(0, 0), user.package(0, 365)], last); // control
      assert.equal((await discover("alice")).found, 1);
    });
  });

  describe("issueTokens", () => {
    const request = (tokenClass: number, epoch: number): Buffer =>
      Buffer.concat([Buffer.from([tokenClass, epoch]), randomBytes(60)]);

    it("answers one request a class and epoch, that one always alike", async () => {
      const user = await TestUser.register(services, "alice");
      const first = request(4, 1);
      const answer = await user.issue(first);
      await services.reopen();
      assert.deepEqual(await user.issue(first), answer);
      await assert.rejects(user.issue(request(4, 1)), { code: "token/conflict" });
      await user.issue(request(4, 2));
      await user.issue(request(3, 1));
      const other = await TestUser.register(services, "bobby");
      await other.issue(request(4, 1));
      assert.deepEqual(await user.issue(first), answer);
    });

    it("answers a batch often enough for any retry, and not without end", async () => {
      const { answersPerBatch } = operations["as.issueTokens"].limits;
      const user = await TestUser.register(services, "alice");
      const [first, other] = [request(4, 1), request(3, 1)];
      const answer = await user.issue(first);
      for (let i = 1; i < answersPerBatch; i++) assert.deepEqual(await user.issue(first), answer);
      await assert.rejects(user.issue(first), { code: "token/allowance" });
      await user.issue(other);
    });

    it("gives one batch when two different requests come at once", async () => {
      const user = await TestUser.register(services, "alice");
      const results = await Promise.allSettled([user.issue(request(1, 1)), user.issue(request(1, 1))]);
      assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    });

    it("passes on what the issuer refuses without using up the batch", async () => {
      const user = await TestUser.register(services, "alice");
      await assert.rejects(user.issue(request(9, 1)), { code: "token/unknown-key" });
      await assert.rejects(user.issue(Buffer.from([4, 1])), { code: "token/batch" });
      await user.issue(request(4, 1));
    });
  });

  describe("connect and readDirect", () => {
    const connect = (name: string, offer: string) =>
      services.asked("as.connect", { name: Buffer.from(name), offer: offerOf(offer) });

    it("bring requests in order, 8 at a time, until they are acknowledged", async () => {
      const user = await TestUser.register(services, "alice");
      for (let i = 1; i <= 10; i++) await connect("alice", `offer ${i}`);
      const first = await user.direct();
      assert.deepEqual(
        first,
        Array.from({ length: 8 }, (_, i) => ({ sequence: i + 1, offer: `offer ${i + 1}` })),
      );
      assert.deepEqual(await user.direct(), first);
      await services.reopen();
      assert.deepEqual(
        (await user.direct(8)).map(({ sequence }) => sequence),
        [9, 10],
      );
      assert.deepEqual(await user.direct(10), []);
      assert.deepEqual(await user.direct(3), []);
      await assert.rejects(user.direct(11), { code: "queue/limit" });
      await connect("alice", "later");
      assert.deepEqual(await user.direct(10), [{ sequence: 11, offer: "later" }]);
    });

    it("keep 200 for a user, not 201, and answer alike", async () => {
      const user = await TestUser.register(services, "alice");
      const writes = [];
      for (let i = 0; i < 202; i++) {
        if (i === 80 || i === 160) services.now += DAY;
        const asked = await connect("alice", `offer ${i}`);
        assert.deepEqual(asked.reply, {});
        writes.push(asked.writes);
      }
      assert.deepEqual(writes.slice(198), [3, 3, 0, 0]);
      assert.deepEqual(await user.direct(200), []);
      await connect("alice", "room again");
      assert.deepEqual(await user.direct(200), [{ sequence: 201, offer: "room again" }]);
    });

    it("answer for an unknown name as for a known one and store nothing", async () => {
      const user = await TestUser.register(services, "alice");
      const known = await connect("alice", "x");
      const unknown = await connect("nobody", "x");
      assert.deepEqual(unknown.reply, known.reply);
      assert.deepEqual([unknown.writes, known.writes], [0, 3]);
      assert.equal((await user.direct()).length, 1);
    });

    it("have one length, so that nobody can tell them apart by it", async () => {
      const name = Buffer.from("alice");
      for (const length of [0, 1, 2047, 2049])
        await assert.rejects(services.ask("as.connect", { name, offer: Buffer.alloc(length) }), {
          code: "wire/malformed",
        });
      await services.ask("as.connect", { name, offer: Buffer.alloc(2048) }); // control
    });

    it("keep numbers apart that come at the same time", async () => {
      const user = await TestUser.register(services, "alice");
      await Promise.all(Array.from({ length: 8 }, (_, i) => connect("alice", `offer ${i}`)));
      const items = await user.direct();
      assert.deepEqual(
        items.map(({ sequence }) => sequence),
        [1, 2, 3, 4, 5, 6, 7, 8],
      );
      assert.equal(new Set(items.map(({ offer }) => offer)).size, 8);
    });
  });

  it("answers only a user's own client; unknown users, unknown clients and wrong keys alike", async () => {
    const user = await TestUser.register(services, "alice");
    const other = await TestUser.register(services, "bobby");
    await user.put([], user.package(1));
    const tokenRequest = Buffer.concat([Buffer.from([4, 1]), randomBytes(8)]);
    for (const [who, as] of [
      [user.who, other.client],
      [{ ...user.who, clientId: other.clientId }, other.client],
      [{ userId: other.userId, clientId: user.clientId }, user.client],
      [{ userId: randomBytes(16), clientId: randomBytes(16) }, user.client],
    ] as const) {
      const refused = { code: "auth/signature" };
      await assert.rejects(services.ask("as.readDirect", { ...who, acknowledge: 0 }, as), refused);
      await assert.rejects(services.ask("as.issueTokens", { ...who, tokenRequest }, as), refused);
      const publication = { ...who, packages: [], lastResort: user.package(1, 20) };
      await assert.rejects(services.ask("as.putConnectionPackages", publication, as), refused);
    }
    await user.issue(tokenRequest);
  });

  it("leaves neither name, ids, keys nor offers on the disk", async () => {
    const user = await TestUser.register(services, "alice.has.a.long.name");
    await user.put([user.package()], user.package(1));
    const offer = "an offer that must not be found on the disk";
    await services.ask("as.connect", { name: user.name, offer: offerOf(offer) });
    await services.reopen();
    const needles = [user.name, user.userId, user.clientId, user.client.publicKey, Buffer.from(offer)];
    for (const needle of needles) assert.equal(services.onDisk(needle), false);
    services.plant(needles);
    for (const needle of needles) assert.equal(services.onDisk(needle), true); // control of the search
  });
});
