import assert from "node:assert/strict";
import { sign } from "../../../src/crypto/sign.ts";
import type { Fault } from "../../../src/fault.ts";
import type { Handler } from "../../../src/services/ports.ts";
import type { OperationName, RequestOf } from "../../../src/wire/operations.ts";
import { DAY, keyPair, NOON, openArenas, Services, type KeyPair } from "../services.ts";
import { makeAlias, packageOf, TestUser, offerOf, type TestClient } from "./test-user.ts";

const HOUR = 3600;

describe("services/auth/end", () => {
  let services: Services;
  let user: TestUser;
  beforeEach(async () => {
    services = await Services.open();
    user = await TestUser.register(services, "alice.the.first");
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  /** What discovery reads where nobody is, once it has come to that. */
  const standIn = { name: 1, connectionPackage: 1 };
  const nothing = Buffer.alloc(0);
  const stranger = { code: "auth/signature" };
  const conflict = { code: "account/conflict" };
  const whoOf = (as: TestClient) => ({ userId: user.userId, clientId: as.clientId });
  const remove = async (as = user.first, attempt = 1, recovery: Buffer = nothing) =>
    (await services.ask("as.deleteAccount", { ...whoOf(as), attempt, recovery }, as.keys)).endsAt;
  const cancel = (as = user.first, attempt = 1) =>
    services.ask("as.cancelDeletion", { ...whoOf(as), attempt }, as.keys);
  const found = async (name = user.name) => (await services.ask("as.discover", { name })).found;
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const recoverySignature = (by: KeyPair, attempt: number, userId = user.userId, domain = services.domain) =>
    sign(Buffer.alloc(64), "deletion", by.secretKey, domain, userId, number(attempt));

  /** Leaves a trace in every room that an account can have one in. */
  const live = async () => {
    await user.put([user.package(), user.package()], user.package(1, 200));
    for (const offer of ["an offer", "another"])
      await services.ask("as.connect", { name: user.name, offer: offerOf(offer) });
    await user.issue(Buffer.concat([Buffer.from([4, 1]), Buffer.alloc(32, 3)]));
    await user.issue(Buffer.concat([Buffer.from([2, 2]), Buffer.alloc(32, 4)]));
    const profile = { version: 1, token: Buffer.alloc(32, 8), profile: Buffer.alloc(1024, 9) };
    await services.ask("as.putProfile", { ...user.who, ...profile }, user.client);
    await services.ask("as.rename", { ...user.who, name: Buffer.from("carol.the.second") }, user.client);
    user.name = Buffer.from("carol.the.second");
  };
  const rooms = async () => {
    const { opened } = await services.dump();
    const counted: Record<string, number> = {};
    for (const { room } of opened) counted[room] = (counted[room] ?? 0) + 1;
    return { opened, counted };
  };

  it("with client key and recovery key is at once, and leaves nothing about the account in the store", async () => {
    const before = (await rooms()).counted;
    assert.deepEqual(before, { account: 1, name: 1, clientChange: 1 });
    await live();
    const second = await user.add();
    const traced = (await rooms()).counted;
    for (const room of ["account", "name", "directQueue", "directItem", "connectionPackage", "clientChange"])
      assert.ok((traced[room] ?? 0) > 0, room);
    for (const room of ["profile", "accountUse", "targetUse", "issuance"]) assert.ok((traced[room] ?? 0) > 0, room);

    assert.equal(await remove(user.first, 1, recoverySignature(user.recovery, 1)), 0);
    const { opened, counted } = await rooms();
    assert.deepEqual(counted, { nameHeld: 2 }); // a day each, under a keyed hash of the name
    const needles = [user.userId, user.name, Buffer.from("alice"), second.clientId, user.client.publicKey];
    needles.push(user.recovery.publicKey, Buffer.from("an offer"), Buffer.alloc(1024, 9));
    const seen = (records: typeof opened) => needles.filter((one) => records.some(({ value }) => value.includes(one)));
    assert.deepEqual(seen(opened), []);
    assert.deepEqual(seen([...opened, { room: "name", value: Buffer.concat(needles) }]), needles); // control
    for (const as of [user.first, second]) await assert.rejects(user.direct(0, as), stranger);
    assert.equal(await found(), 0);
    await assert.rejects(TestUser.register(services, "carol.the.second"), { code: "account/taken" });
  });

  it("with a client key alone is after 24 hours, to the hour, in which everything goes on", async () => {
    await live();
    assert.equal(await remove(), NOON / HOUR + 24);
    assert.equal(await remove(), NOON / HOUR + 24); // a retry
    services.now += 24 * HOUR - 1;
    assert.equal(await services.removeEnded(), 0);
    assert.equal(await found(), 1);
    assert.equal((await user.direct()).length, 2);
    await services.reopen();
    services.now += 1;
    // gone for everybody, before the upkeep has come by
    await assert.rejects(user.direct(), stranger);
    await assert.rejects(cancel(), stranger);
    await assert.rejects(services.ask("as.recover", { name: user.name }, user.recovery), stranger);
    assert.equal(await found(), 0);
    const { writes } = await services.asked("as.connect", { name: user.name, offer: offerOf("late") });
    assert.equal(writes, 0);
    await assert.rejects(TestUser.register(services, "carol.the.second"), { code: "account/taken" });

    assert.equal(await services.removeEnded(), 1);
    assert.equal(await services.removeEnded(), 0);
    const { opened, counted } = await rooms();
    assert.deepEqual(counted, { ...standIn, nameHeld: 2, server: 1 });
    for (const needle of [user.userId, user.name, user.client.publicKey])
      assert.ok(!opened.some(({ value }) => value.includes(needle)));
    services.now += 90 * DAY;
    await TestUser.register(services, "carol.the.second");
  });

  it("leaves nothing behind by requests that had begun before it", async () => {
    const removed = () => remove(user.first, 1, recoverySignature(user.recovery, 1));
    /** The request as it comes, but the account is deleted between what it looks up first and its first lock. */
    const overtaken = <N extends OperationName>(name: N, request: RequestOf<N>, as?: KeyPair) =>
      services.call(async (call) => {
        let first = true;
        const tx = new Proxy(call.tx, {
          get(real, method) {
            const found: unknown = Reflect.get(real, method);
            if (typeof found !== "function") return found;
            return async (...of: unknown[]): Promise<unknown> => {
              if (method === "lock" && first) {
                first = false;
                await removed();
              }
              return Reflect.apply(found, real, of);
            };
          },
        });
        await (services.handlers[name] as unknown as Handler<N>)(request, { ...call, tx });
      }, as);
    const tokenRequest = Buffer.concat([Buffer.from([4, 1]), Buffer.alloc(32)]);
    const requests = [
      () => overtaken("as.connect", { name: user.name, offer: offerOf("late") }),
      () => overtaken("as.readDirect", { ...user.who, acknowledge: 1 }, user.client),
      () => overtaken("as.issueTokens", { ...user.who, tokenRequest }, user.client),
    ];
    for (const [i, request] of requests.entries()) {
      user = await TestUser.register(services, `somebody.${i}x`);
      await services.ask("as.connect", { name: user.name, offer: offerOf("an offer") });
      await request().catch((error: unknown) => assert.equal((error as Fault).code, "auth/signature"));
      await assert.rejects(user.direct(), stranger);
      const { nameHeld, ...counted } = (await rooms()).counted;
      assert.deepEqual([nameHeld, counted], [i + 1, { account: 1, name: 1, clientChange: 1 }]);
    }
  });

  it("is called off by any other client within that time, and shows who wanted it", async () => {
    const second = await user.add();
    const third = await user.add([second]);
    await remove(second);
    services.now += 23 * HOUR;
    await services.reopen();
    const { endsAt, attempt, endedBy } = await services.ask(
      "as.listClients",
      { ...whoOf(third), after: 0 },
      third.keys,
    );
    assert.deepEqual([endsAt, attempt, endedBy], [NOON / HOUR + 24, 1, second.clientId]);
    await cancel(third);
    await cancel(third); // a retry
    services.now += 5 * HOUR;
    assert.equal(await services.removeEnded(), 0);
    for (const as of [user.first, second, third]) await user.direct(0, as);
    await user.put([], user.package(1));
    assert.equal(await found(), 1);
    assert.equal((await rooms()).counted["accountEnd"], undefined);
  });

  it("is begun and called off once an attempt: a replay does neither again", async () => {
    await remove();
    await assert.rejects(remove(user.first, 2), conflict); // one is under way
    await cancel();
    await assert.rejects(remove(), conflict);
    await assert.rejects(remove(user.first, 3), conflict);
    await assert.rejects(cancel(user.first, 2), conflict);
    await remove(user.first, 2);
    await assert.rejects(cancel(user.first, 1), conflict);
    await cancel(user.first, 2);
    services.now += 2 * DAY;
    await user.direct();
  });

  it("at once is refused for every signature that is not the recovery key's for this very attempt", async () => {
    const other = await TestUser.register(services, "other");
    for (const recovery of [
      recoverySignature(user.client, 1),
      recoverySignature(keyPair(), 1),
      recoverySignature(user.recovery, 2),
      recoverySignature(user.recovery, 1, other.userId),
      recoverySignature(user.recovery, 1, user.userId, Buffer.alloc(32)),
      Buffer.alloc(64),
      Buffer.alloc(1),
    ]) {
      await assert.rejects(remove(user.first, 1, recovery), stranger);
    }
    await user.direct();
    await remove(user.first, 1, recoverySignature(user.recovery, 1)); // control
    await assert.rejects(user.direct(), stranger);
  });

  it("of many in one hour is done whole, also over restarts and after a long pause", async () => {
    const others = await Promise.all(Array.from({ length: 70 }, (_, i) => TestUser.register(services, `user.${i}x`)));
    for (const one of others)
      await services.ask("as.deleteAccount", { ...one.who, attempt: 1, recovery: nothing }, one.client);
    assert.equal(await services.removeEnded(), 0);
    await services.reopen();
    services.now += 20 * DAY;
    assert.equal(await services.removeEnded(), 70);
    assert.deepEqual((await rooms()).counted["account"], 1);
    services.now -= 10 * DAY; // a clock that goes back
    assert.equal(await services.removeEnded(), 0);
    const late = await TestUser.register(services, "latecomer");
    await services.ask("as.deleteAccount", { ...late.who, attempt: 1, recovery: nothing }, late.client);
    services.now += 2 * DAY;
    assert.equal(await services.removeEnded(), 1);
  });

  describe("of an alias", () => {
    const connect = (name: Buffer, offer: string) => services.ask("as.connect", { name, offer: offerOf(offer) });
    const direct = (alias: Awaited<ReturnType<typeof makeAlias>>) =>
      services.ask("as.readDirect", { ...alias.who, acknowledge: 0 }, alias.keys);

    it("comes with its last day", async () => {
      const alias = await makeAlias(services, "stage.name", 2);
      const lastResort = packageOf(alias.keys, services.now, 1);
      await services.ask("as.putConnectionPackages", { ...alias.who, packages: [], lastResort }, alias.keys);
      await connect(alias.name, "an offer");
      services.now += 2.5 * DAY - 1;
      assert.equal(await found(alias.name), 2);
      assert.equal((await direct(alias)).items.length, 1);
      services.now += 1;
      assert.equal(await found(alias.name), 0);
      await assert.rejects(direct(alias), stranger);
      assert.equal(await services.removeEnded(), 1);
      assert.deepEqual((await rooms()).counted, {
        ...standIn,
        account: 1,
        name: 1 + standIn.name,
        clientChange: 1,
        nameHeld: 1,
        targetUse: 1,
        server: 1,
      });
    });

    it("comes at once when its key says so, and no other", async () => {
      const alias = await makeAlias(services, "stage.name");
      await connect(alias.name, "an offer");
      for (const [aliasId, as] of [
        [alias.aliasId, user.client],
        [user.userId, user.client],
        [user.userId, alias.keys],
      ] as const) {
        await assert.rejects(services.ask("as.deleteAlias", { aliasId }, as), stranger);
      }
      assert.equal((await direct(alias)).items.length, 1);
      await services.ask("as.deleteAlias", { aliasId: alias.aliasId }, alias.keys);
      await assert.rejects(direct(alias), stranger);
      assert.deepEqual((await rooms()).counted, { account: 1, name: 1, clientChange: 1, nameHeld: 1 });
      await assert.rejects(makeAlias(services, "stage.name"), { code: "account/taken" });
    });
  });
});
