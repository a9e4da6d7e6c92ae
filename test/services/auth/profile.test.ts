import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { PROFILE_LENGTHS } from "../../../src/wire/documents.ts";
import { DAY, NOON, openArenas, Services } from "../services.ts";
import { TestUser } from "./test-user.ts";

describe("services/auth/profile", () => {
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

  const put = (version: number, token: Buffer, profile: Buffer, by = user) =>
    services.ask("as.putProfile", { ...by.who, version, token, profile }, by.client);
  const get = async (token: Buffer) => Buffer.from((await services.ask("as.getProfile", { token })).profile);
  const conflict = { code: "account/conflict" };

  it("is given to whoever has its token, and to nobody by name", async () => {
    const [token, profile] = [randomBytes(32), randomBytes(8192)];
    await put(1, token, profile);
    await services.reopen();
    assert.deepEqual(await get(token), profile);
    assert.equal((await get(randomBytes(32))).length, 0);
  });

  it("has one of three lengths", async () => {
    let version = 0;
    for (const length of PROFILE_LENGTHS) {
      const profile = randomBytes(length);
      const token = randomBytes(32);
      await put(++version, token, profile);
      assert.deepEqual(await get(token), profile);
    }
    for (const length of [1, 1023, 1025, 8000, 28671])
      await assert.rejects(put(9, randomBytes(32), Buffer.alloc(length)), { code: "wire/malformed" });
    await assert.rejects(put(9, randomBytes(32), Buffer.alloc(28673)), { code: "wire/malformed" });
  });

  it("takes the place of the one before, under a new token or the same; an empty one only takes it away", async () => {
    const [one, two] = [randomBytes(32), randomBytes(32)];
    const profiles = [1, 2, 3].map((fill) => Buffer.alloc(1024, fill));
    await put(1, one, profiles[0]!);
    await put(2, one, profiles[1]!);
    assert.deepEqual(await get(one), profiles[1]);
    await put(3, two, profiles[2]!);
    assert.deepEqual([(await get(one)).length, await get(two)], [0, profiles[2]]);
    await put(4, two, Buffer.alloc(0));
    assert.equal((await get(two)).length, 0);
    const { opened } = await services.dump();
    assert.ok(!opened.some(({ room }) => room === "profile"));
  });

  it("is set back by no replay of an older one", async () => {
    const token = randomBytes(32);
    const [old, young] = [Buffer.alloc(1024, 1), Buffer.alloc(1024, 2)];
    await put(1, token, old);
    await put(1, token, old); // a retry
    await put(5, token, young);
    await assert.rejects(put(1, token, old), conflict);
    await assert.rejects(put(5, token, old), conflict);
    await assert.rejects(put(5, randomBytes(32), young), conflict);
    assert.deepEqual(await get(token), young);
    await put(6, token, Buffer.alloc(0));
    await assert.rejects(put(5, token, young), conflict);
    assert.equal((await get(token)).length, 0);
  });

  it("is nobody else's to replace, though contacts know its token", async () => {
    const [token, profile] = [randomBytes(32), Buffer.alloc(1024, 1)];
    await put(1, token, profile);
    const other = await TestUser.register(services, "bobby");
    await assert.rejects(put(1, token, Buffer.alloc(1024, 2), other), conflict);
    assert.deepEqual(await get(token), profile);
    await put(1, randomBytes(32), Buffer.alloc(1024, 2), other);
  });

  it("is put 60 times in a period, not 61, and again in the next", async () => {
    services.now = Math.ceil(NOON / (30 * DAY)) * 30 * DAY;
    const [token, profile] = [randomBytes(32), Buffer.alloc(1024)];
    for (let i = 1; i <= 60; i++) {
      if (i === 30) await services.reopen();
      await put(i, token, profile);
    }
    await put(60, token, profile); // a retry is no use
    services.now += 30 * DAY - 1;
    await assert.rejects(put(61, token, profile), { code: "account/limit" });
    services.now += 1;
    await put(61, token, profile);
  });
});
