import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { PUBLICATIONS } from "../../../src/services/queue/records.ts";
import { openArenas, keyPair, Services } from "../services.ts";
import { sealedKeyPackage, TestQueue } from "./test-queue.ts";

describe("services/queue", () => {
  let services: Services;
  beforeEach(async () => {
    services = await Services.open();
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  describe("createQueue", () => {
    it("gives each queue a random id and refuses a friendship token that is taken", async () => {
      const one = await TestQueue.create(services);
      const two = await TestQueue.create(services);
      assert.notDeepEqual(one.queueId, two.queueId);
      await assert.rejects(TestQueue.create(services, { friendshipToken: one.friendshipToken }), {
        code: "queue/exists",
      });
    });
  });

  describe("publish and claim", () => {
    it("hands each KeyPackage to one claimer, then the last resort to all", async () => {
      const queue = await TestQueue.create(services);
      const keyPackages = Array.from({ length: 20 }, () => sealedKeyPackage());
      const lastResort = sealedKeyPackage();
      await queue.publish(keyPackages, lastResort);
      const claimed: string[] = [];
      for (let i = 0; i < 20; i++) claimed.push((await queue.claim()).toString("hex"));
      assert.deepEqual(new Set(claimed), new Set(keyPackages.map((one) => one.toString("hex"))));
      assert.equal(claimed.length, new Set(claimed).size);
      assert.deepEqual(await queue.claim(), lastResort);
      assert.deepEqual(await queue.claim(), lastResort);
    });

    it("gives two claims at the same time two KeyPackages", async () => {
      const queue = await TestQueue.create(services);
      await queue.publish([sealedKeyPackage(), sealedKeyPackage(), sealedKeyPackage()], sealedKeyPackage());
      const claimed = await Promise.all([queue.claim(), queue.claim(), queue.claim()]);
      assert.equal(new Set(claimed.map((one) => one.toString("hex"))).size, 3);
    });

    it("does not hand one out again after a restart", async () => {
      const queue = await TestQueue.create(services);
      await queue.publish([sealedKeyPackage(), sealedKeyPackage()], sealedKeyPackage());
      const first = await queue.claim();
      await services.reopen();
      assert.notDeepEqual(await queue.claim(), first);
    });

    it("replaces what was published before", async () => {
      const queue = await TestQueue.create(services);
      await queue.publish([sealedKeyPackage()], sealedKeyPackage());
      const next = sealedKeyPackage();
      await queue.publish([], next);
      assert.deepEqual(await queue.claim(), next);
    });

    it("a retried publication brings back nothing that was claimed, another one does its work", async () => {
      const queue = await TestQueue.create(services);
      const [one, two, last] = [sealedKeyPackage(), sealedKeyPackage(), sealedKeyPackage()];
      await queue.publish([one, two], last);
      const claimed = await queue.claim();
      await queue.publish([one, two], last);
      assert.notDeepEqual(await queue.claim(), claimed);
      assert.deepEqual(await queue.claim(), last);
      await queue.publish([two, one], last); // control: not the same publication
      assert.deepEqual(await queue.claim(), two);
    });

    it("a replayed older publication takes the place of no newer one", async () => {
      const queue = await TestQueue.create(services);
      const publications = Array.from({ length: PUBLICATIONS }, () => [sealedKeyPackage()]);
      const last = sealedKeyPackage();
      for (const keyPackages of publications) await queue.publish(keyPackages, last);
      for (const keyPackages of publications) await queue.publish(keyPackages, last);
      assert.deepEqual(await queue.claim(), publications.at(-1)?.[0]);
      assert.deepEqual(await queue.claim(), last);
    });

    it("refuses with one code who is unknown and who has nothing", async () => {
      const queue = await TestQueue.create(services);
      await assert.rejects(queue.claim(), { code: "queue/no-key-package" });
      await assert.rejects(services.ask("qs.claim", { friendshipToken: randomBytes(32) }), {
        code: "queue/no-key-package",
      });
    });

    it("takes 20 KeyPackages, not 21, each of the size a seal has at least and the codec allows at most", async () => {
      const queue = await TestQueue.create(services);
      const many = (count: number): Buffer[] => Array.from({ length: count }, () => sealedKeyPackage(41));
      await queue.publish(many(20), sealedKeyPackage(1536));
      await assert.rejects(queue.publish(many(21), sealedKeyPackage()), { code: "wire/malformed" });
      await assert.rejects(queue.publish([], sealedKeyPackage(1537)), { code: "wire/malformed" });
      await assert.rejects(queue.publish([sealedKeyPackage(40)], sealedKeyPackage()), { code: "wire/malformed" });
      await assert.rejects(queue.publish([], Buffer.alloc(0)), { code: "wire/malformed" });
      assert.equal((await queue.claim()).length, 41);
    });
  });

  describe("mintHandles", () => {
    it("mints 1 to 32 handles that look unrelated and all lead to the queue", async () => {
      const queue = await TestQueue.create(services);
      const handles = await queue.handles(32);
      assert.equal(new Set(handles.map((handle) => handle.toString("hex"))).size, 32);
      await services.reopen();
      for (const handle of handles) await queue.enqueue("x", handle);
      assert.equal((await queue.read()).texts.length, 32);
      await assert.rejects(queue.handles(0), { code: "queue/limit" });
      await assert.rejects(queue.handles(33), { code: "wire/malformed" });
    });

    it("mints handles that open under no other house's domain and not once changed", async () => {
      const queue = await TestQueue.create(services);
      const [handle] = await queue.handles(1);
      assert.ok(handle);
      const changed = Buffer.from(handle);
      changed[50] = changed[50]! ^ 1;
      await queue.enqueue("lost", changed);
      await queue.enqueue("lost", randomBytes(88));
      await queue.enqueue("kept", handle);
      assert.deepEqual((await queue.read()).texts, ["kept"]);
      const other = await Services.open();
      try {
        const elsewhere = await TestQueue.create(other);
        const writes = await other.call(async (call) => {
          let count = 0;
          const tx = { ...call.tx, putAt: () => void count++, put: () => void count++ };
          await other.queue.enqueue({ ...call, tx }, [{ handles: [handle], item: Buffer.from("x") }]);
          return count;
        });
        assert.equal(writes, 0);
        assert.equal((await elsewhere.handles(1)).length, 1);
      } finally {
        await other.close();
      }
    });
  });

  describe("its owner", () => {
    it("alone may ask; an unknown queue and a wrong key are refused alike and change nothing", async () => {
      const queue = await TestQueue.create(services);
      await queue.publish([sealedKeyPackage()], sealedKeyPackage());
      await queue.enqueue("waiting");
      for (const [queueId, as] of [
        [queue.queueId, keyPair()],
        [randomBytes(16), queue.owner],
        [randomBytes(16), keyPair()],
      ] as const) {
        const refused = { code: "auth/signature" };
        await assert.rejects(services.ask("qs.read", { queueId, acknowledge: 1, wait: 0 }, as), refused);
        await assert.rejects(
          services.ask("qs.mintHandles", { queueId, generation: 0, tags: [randomBytes(16)] }, as),
          refused,
        );
        const publication = { queueId, keyPackages: [], lastResort: queue.timed(sealedKeyPackage(), 1) };
        await assert.rejects(services.ask("qs.publish", publication, as), refused);
      }
      assert.deepEqual((await queue.read()).texts, ["waiting"]);
    });
  });
});
