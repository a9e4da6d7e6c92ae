import assert from "node:assert/strict";
import { decode } from "../../../src/wire/codec.ts";
import {
  credential,
  isUserName,
  NAME_MAX,
  SKELETON_MAX,
  skeletonOf,
  splitSigned,
} from "../../../src/wire/documents.ts";
import { DAY, NOON, openArenas, Services } from "../services.ts";
import { makeAlias, packageOf, TestUser } from "./test-user.ts";

const skeleton = (name: string): string => skeletonOf(Buffer.from(name), Buffer.alloc(SKELETON_MAX)).toString();

describe("services/auth/names", () => {
  let services: Services;
  beforeEach(async () => {
    services = await Services.open();
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  const taken = { code: "account/taken" };
  const limited = { code: "account/limit" };
  const rename = (user: TestUser, name: string, as = user.first) =>
    services.ask("as.rename", { userId: user.userId, clientId: as.clientId, name: Buffer.from(name) }, as.keys);
  const found = async (name: string) => (await services.ask("as.discover", { name: Buffer.from(name) })).found;
  const nameIn = (document: Uint8Array) => {
    const { name, notBefore, clientKey } = decode(credential, splitSigned(Buffer.from(document)).body);
    return { name: Buffer.from(name).toString(), notBefore, clientKey: Buffer.from(clientKey) };
  };

  it("have one separator at a time, inside, and every name a skeleton that fits", () => {
    for (const good of ["abc", "a.b-c_9", "a0.1", "m".repeat(32)]) assert.ok(isUserName(Buffer.from(good)), good);
    for (const bad of ["a..b", "a.-b", "a_-b", "abc.", "abc-", "abc_", "ab\n", "aÄb"])
      assert.ok(!isUserName(Buffer.from(bad, "latin1")), bad);
    assert.equal(skeleton("m".repeat(NAME_MAX)).length, SKELETON_MAX);
  });

  it("that look alike have one skeleton, others have not", () => {
    for (const alike of [
      ["modern", "rnodern", "rnoclern", "m0dern", "modem"],
      ["bill", "bi11", "bil1"],
      ["a.b", "a-b", "a_b"],
      ["vwv", "wvv", "vvw"],
      ["clear", "dear"],
    ]) {
      assert.equal(new Set(alike.map(skeleton)).size, 1, alike.join());
    }
    const apart = ["alice", "alicia", "bob", "bobb", "a.lice", "ricky", "mall", "nnall", "o", "q", "u", "v"];
    assert.equal(new Set(apart.map(skeleton)).size, apart.length);
  });

  it("are given to one of those that look alike, and lead only who knows them letter by letter", async () => {
    const user = await TestUser.register(services, "modern.bill");
    await user.put([user.package(), user.package()], user.package(1));
    for (const alike of ["modem.bill", "rnodern.bill", "modern-bill", "m0dern.bil1"]) {
      await assert.rejects(TestUser.register(services, alike), taken, alike);
      await assert.rejects(makeAlias(services, alike), taken, alike);
      assert.equal(await found(alike), 0, alike);
    }
    assert.equal(await found("modern.bill"), 1);
    await TestUser.register(services, "modern.billy");
  });

  it("are changed once in 30 days", async () => {
    const user = await TestUser.register(services, "alice");
    await user.put([], user.package(1, 200));
    const renamed = await rename(user, "carol");
    assert.equal(renamed.taken, 0);
    assert.deepEqual(nameIn(renamed.credential), {
      name: "carol",
      notBefore: NOON / DAY - 0.5,
      clientKey: user.client.publicKey,
    });
    assert.deepEqual((await rename(user, "carol")).credential, renamed.credential); // a retry
    await services.reopen();
    assert.deepEqual([await found("alice"), await found("carol")], [0, 1]);
    services.now += 29 * DAY;
    await assert.rejects(rename(user, "erin"), limited);
    services.now += DAY;
    assert.equal((await rename(user, "erin")).taken, 0);
    await assert.rejects(rename(user, "frank"), limited);
    const { credential: shown } = await services.ask("as.discover", { name: Buffer.from("erin") });
    assert.equal(nameIn(shown).name, "erin");
  });

  it("given up are nobody's for 90 days, not even of whoever had them", async () => {
    const user = await TestUser.register(services, "alice");
    await rename(user, "carol");
    await assert.rejects(TestUser.register(services, "alice"), taken);
    await assert.rejects(TestUser.register(services, "a1ice"), taken);
    services.now += 31 * DAY;
    assert.equal((await rename(user, "alice")).taken, 1);
    services.now += 58 * DAY;
    await services.reopen();
    await assert.rejects(TestUser.register(services, "alice"), taken);
    services.now += DAY;
    await TestUser.register(services, "alice");
  });

  it("that are taken are told of five times in a period, not six: nobody lists names with an account", async () => {
    services.now = Math.ceil(NOON / (30 * DAY)) * 30 * DAY;
    await TestUser.register(services, "alice");
    const user = await TestUser.register(services, "bobby");
    for (let i = 0; i < 5; i++) {
      if (i === 3) await services.reopen();
      const { taken: isTaken, credential: none } = await rename(user, "alice");
      assert.deepEqual([isTaken, none.length], [1, 0]);
    }
    await assert.rejects(rename(user, "alice"), limited);
    services.now += 30 * DAY;
    assert.equal((await rename(user, "alice")).taken, 1);
    assert.equal((await rename(user, "carol")).taken, 0);
    await assert.rejects(rename(user, "..."), { code: "account/name" });
  });

  it("changed into one that looks alike need no other place", async () => {
    const user = await TestUser.register(services, "a.lice");
    await user.put([], user.package(1));
    await rename(user, "a-lice");
    assert.deepEqual([await found("a.lice"), await found("a-lice")], [0, 1]);
  });

  it("changed by one client are renewed by the others at once, and shown for who published", async () => {
    const user = await TestUser.register(services, "alice");
    const second = await user.add();
    await user.put([], packageOf(second.keys, services.now, 1), second);
    await rename(user, "carol");
    const { credential: shown } = await services.ask("as.discover", { name: Buffer.from("carol") });
    assert.deepEqual([nameIn(shown).name, nameIn(shown).clientKey], ["carol", second.keys.publicKey]);
    const who = { userId: user.userId, clientId: second.clientId };
    const renewed = await services.ask("as.renewCredential", who, second.keys);
    assert.equal(nameIn(renewed.credential).name, "carol");
    await user.put([], packageOf(second.keys, services.now, 1, 20), second);
  });

  it("wanted by two at once are one's", async () => {
    const users = await Promise.all(["alice", "bobby"].map((name) => TestUser.register(services, name)));
    const replies = await Promise.all(users.map((user) => rename(user, "carol")));
    assert.equal(replies.filter((reply) => reply.taken === 0).length, 1);
  });
});
