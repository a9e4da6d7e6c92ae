import assert from "node:assert/strict";
import { operations } from "../../../src/wire/operations.ts";
import { DAY, Services } from "../services.ts";
import { sealedKeyPackage, TestQueue } from "./test-queue.ts";

const { claimsPerTargetAndDay } = operations["qs.claim"].limits;
const { itemDays, idleMonths } = operations["qs.read"].limits;
const MONTH = 30.44 * DAY;

describe("services/queue limits", function () {
  this.timeout(30_000);
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(() => services.close());

  describe("claims", () => {
    it("of one target are so many a day, whoever makes them; a restart gives none back, the next day does", async () => {
      await queue.publish([sealedKeyPackage()], sealedKeyPackage());
      const claims = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) await queue.claim();
      };
      await claims(claimsPerTargetAndDay - 1);
      await services.reopen();
      await queue.publish([sealedKeyPackage()], sealedKeyPackage()); // nor does a publication
      await claims(1);
      await assert.rejects(queue.claim(), { code: "queue/limit" });
      const other = await TestQueue.create(services);
      await other.publish([], sealedKeyPackage());
      await other.claim(); // control: only the target's own count
      services.now += DAY;
      await claims(claimsPerTargetAndDay);
      await assert.rejects(queue.claim(), { code: "queue/limit" });
    });
  });

  /** Goes on day by day, as the upkeep does. */
  async function pass(days: number): Promise<{ items: number; queues: number }> {
    const sum = { items: 0, queues: 0 };
    for (let day = 0; day < days; day++) {
      services.now += DAY;
      const { items, queues } = await services.lookAfterQueues();
      sum.items += items;
      sum.queues += queues;
    }
    return sum;
  }

  describe("old items", () => {
    it("are dropped between 30 and 37 days, and the owner is told which until it has taken note", async () => {
      await queue.enqueue("old");
      await queue.enqueue("also old");
      assert.deepEqual(await pass(itemDays), { items: 0, queues: 0 });
      assert.equal((await queue.ask()).reply.items.length, 2); // control: still there
      await queue.enqueue("new");
      assert.deepEqual(await pass(7), { items: 2, queues: 0 });
      await services.reopen();
      for (let i = 0; i < 2; i++) {
        const { reply } = await queue.ask();
        assert.deepEqual([reply.expired, reply.items.map(({ sequence }) => sequence)], [2, [3]]);
      }
      assert.deepEqual((await queue.read()).texts, ["new"]); // the ratchet goes on behind the gap
      assert.equal((await queue.read(3)).expired, 0);
      assert.equal((await queue.read(3)).expired, 0);
    });

    it("make room in a full queue, and more of them than one look reads at once", async () => {
      const handle = await queue.handle();
      const item = Buffer.alloc(29_000);
      const fill = (): Promise<unknown> =>
        services.call(async (call) => {
          for (let i = 0; i < 150; i++) await services.queue.enqueue(call, [{ handles: [handle], item }]);
        });
      await fill();
      assert.equal((await queue.ask()).reply.full, 1);
      const { items } = await pass(itemDays + 7);
      assert.ok(items > 140);
      await queue.enqueue("fits");
      assert.deepEqual((await queue.read()).texts, ["fits"]);
    });

    it("that were acknowledged in time are no gap", async () => {
      await queue.enqueue("read");
      await queue.read(1);
      assert.deepEqual(await pass(itemDays + 8), { items: 0, queues: 0 });
      assert.equal((await queue.read(1)).expired, 0);
    });
  });

  describe("idle queues", () => {
    it("are deleted with all that is theirs when their owner has not come for a year; others stay", async () => {
      const other = await TestQueue.create(services);
      await queue.publish([sealedKeyPackage()], sealedKeyPackage());
      const handle = await queue.handle();
      const months = async (count: number): Promise<number> => {
        let queues = 0;
        for (let i = 0; i < count; i++) {
          services.now += MONTH;
          await other.read();
          ({ queues } = await services.lookAfterQueues().then((sum) => ({ queues: queues + sum.queues })));
        }
        return queues;
      };
      assert.equal(await months(idleMonths - 1), 0);
      await services.reopen();
      assert.deepEqual(await queue.enqueue("still there"), []);
      assert.equal(await months(3), 1);
      assert.deepEqual(await queue.enqueue("nobody", handle), [handle]);
      await assert.rejects(queue.claim(), { code: "queue/no-key-package" });
      await other.read(); // control
    });

    it("a look that comes twice, late, or after its queue is gone, does no harm", async () => {
      await services.lookAfterQueues();
      await queue.remove();
      services.now += 60 * DAY;
      assert.deepEqual(await services.lookAfterQueues(), { items: 0, queues: 0 });
      assert.deepEqual(await services.lookAfterQueues(), { items: 0, queues: 0 });
    });
  });
});
