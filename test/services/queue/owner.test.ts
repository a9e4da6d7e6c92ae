import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { openNext, ITEM_OVERHEAD } from "../../../src/crypto/ratchet.ts";
import { keyPair, Services } from "../services.ts";
import { sealedKeyPackage, TestQueue } from "./test-queue.ts";

describe("services/queue owner", () => {
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(() => services.close());

  describe("deleteQueue", () => {
    it("takes record, items, KeyPackages and friendship, and answers a retry the same", async () => {
      await queue.publish([sealedKeyPackage()], sealedKeyPackage());
      await queue.enqueue("waits");
      const handle = await queue.handle();
      await queue.remove();
      await queue.remove();
      await assert.rejects(queue.read(), { code: "auth/signature" });
      await assert.rejects(queue.claim(), { code: "queue/no-key-package" });
      assert.deepEqual(await queue.enqueue("late", handle), [handle]);
      await services.reopen();
      await queue.remove();
      const { opened } = await services.dump();
      const rooms = new Set<string>(opened.map(({ room }) => room));
      for (const room of ["queue", "queueItem", "keyPackage", "friendship", "queueLook"] as const)
        assert.ok(!rooms.has(room), room);
    });

    it("is the owner's alone, and leaves other queues as they are", async () => {
      const other = await TestQueue.create(services);
      await other.enqueue("stays");
      const thief = keyPair();
      const steal = (as = thief): Promise<unknown> =>
        services.ask("qs.deleteQueue", { queueId: other.queueId, ownerKey: as.publicKey }, thief);
      await assert.rejects(steal(), { code: "auth/signature" });
      await assert.rejects(steal(other.owner), { code: "auth/signature" });
      await queue.remove();
      assert.deepEqual((await other.read()).texts, ["stays"]);
    });

    it("frees the friendship token, and wakes who waits for the queue", async () => {
      const { wait } = await queue.ask(0, 20);
      await queue.remove();
      await wait?.wake;
      const again = await TestQueue.create(services, { friendshipToken: queue.friendshipToken });
      assert.notDeepEqual(again.queueId, queue.queueId);
    });
  });

  describe("handles of deleted queues", () => {
    it("are named to whoever sends, each as it was given; others get their message", async () => {
      const other = await TestQueue.create(services);
      const [lost, alsoLost] = await queue.handles(2);
      const handles = [lost!, await other.handle(), alsoLost!, randomBytes(88)];
      await queue.remove();
      const item = Buffer.from("to those who are left");
      const { gone } = await services.call((call) => services.queue.enqueue(call, [{ handles, item }]));
      assert.deepEqual(new Set(gone), new Set([lost, alsoLost]));
      assert.deepEqual((await other.read()).texts, [String(item)]);
    });
  });

  describe("rotateFriendship", () => {
    it("lets the new token claim and the old one no more; retry and replay change nothing", async () => {
      const [first, second, third] = [queue.friendshipToken, randomBytes(32), randomBytes(32)];
      await queue.publish([], sealedKeyPackage());
      await queue.rotate(first, second);
      await queue.rotate(first, second);
      const claim = (friendshipToken: Buffer): Promise<unknown> => services.ask("qs.claim", { friendshipToken });
      await assert.rejects(claim(first), { code: "queue/no-key-package" });
      await claim(second);
      await queue.rotate(second, third);
      await assert.rejects(queue.rotate(first, second), { code: "queue/limit" });
      await services.reopen();
      await claim(third);
      await assert.rejects(claim(second), { code: "queue/no-key-package" });
    });

    it("takes no token that another queue has, and is the owner's alone", async () => {
      const other = await TestQueue.create(services);
      await assert.rejects(queue.rotate(queue.friendshipToken, other.friendshipToken), { code: "queue/exists" });
      const request = {
        queueId: queue.queueId,
        friendshipToken: queue.friendshipToken,
        nextFriendshipToken: randomBytes(32),
      };
      await assert.rejects(services.ask("qs.rotateFriendship", request, other.owner), { code: "auth/signature" });
    });
  });

  describe("refresh", () => {
    it("puts what comes next on the new secret; the old chain opens it no more, what waits keeps its own", async () => {
      await queue.enqueue("before");
      const secret = randomBytes(32);
      assert.equal(await queue.refresh(1, secret), 2);
      assert.equal(await queue.refresh(1, randomBytes(32)), 2); // a retry: the first one counts
      await queue.enqueue("after");
      await services.reopen();
      const { reply } = await queue.ask();
      const [before, after] = reply.items;
      assert.deepEqual(queue.open([before!]).map(String), ["before"]);
      const out = Buffer.alloc(after!.sealed.length - ITEM_OVERHEAD);
      assert.throws(() => openNext(out, Buffer.from(queue.chain), queue.queueId, 2, after!.sealed), {
        code: "crypto/open",
      });
      queue.chain.set(secret);
      assert.deepEqual(queue.open([after!]).map(String), ["after"]);
    });

    it("refuses a generation that is over, or not yet there", async () => {
      await queue.refresh(1, randomBytes(32));
      await queue.refresh(2, randomBytes(32));
      for (const generation of [0, 1, 4]) {
        await assert.rejects(queue.refresh(generation, randomBytes(32)), { code: "queue/limit" });
      }
      assert.equal(await queue.refresh(3, randomBytes(32)), 1);
    });
  });
});
