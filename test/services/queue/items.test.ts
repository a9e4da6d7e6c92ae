import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { ITEM_OVERHEAD, openNext } from "../../../src/crypto/ratchet.ts";
import { decode } from "../../../src/wire/codec.ts";
import { ITEM_MAX } from "../../../src/wire/documents.ts";
import { ITEM_MARK, queueRecord, save, waitingBytes } from "../../../src/services/queue/records.ts";
import { openArenas, Services } from "../services.ts";
import { TestQueue } from "./test-queue.ts";

describe("services/queue items", () => {
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });
  const fill = async (count: number, item: string | Buffer = "filler"): Promise<void> => {
    const handle = await queue.handle();
    const deliveries = Array.from({ length: count }, () => ({ handles: [handle], item: Buffer.from(item as string) }));
    await services.call((call) => services.queue.enqueue(call, deliveries));
  };

  it("are read in order from 1, again until they are acknowledged, and then never", async () => {
    for (const text of ["a", "b", "c"]) await queue.enqueue(text);
    assert.deepEqual(await queue.read(), {
      sequences: [1, 2, 3],
      texts: ["a", "b", "c"],
      more: 0,
      full: 0,
      expired: 0,
    });
    assert.deepEqual((await queue.read()).sequences, [1, 2, 3]);
    assert.deepEqual((await queue.read(2)).sequences, [3]);
    assert.deepEqual((await queue.read(2)).sequences, [3]); // a retry
    assert.deepEqual((await queue.read(1)).sequences, [3]); // an old one
    assert.deepEqual((await queue.read(3)).sequences, []);
    await queue.enqueue("d");
    assert.deepEqual(await queue.read(3), { sequences: [4], texts: ["d"], more: 0, full: 0, expired: 0 });
  });

  it("come once to a queue that several leaves of a group name, and each of several items still comes", async () => {
    const handles = await queue.handles(30);
    const [commit, welcome] = [Buffer.from("commit"), Buffer.from("welcome")];
    const deliveries = [
      { handles, item: commit },
      { handles: handles.slice(0, 5), item: welcome },
    ];
    await services.call((call) => services.queue.enqueue(call, deliveries));
    assert.deepEqual((await queue.read()).texts, ["commit", "welcome"]);
  });

  it("are refused an acknowledgement that nobody could have read", async () => {
    await queue.enqueue("a");
    await assert.rejects(queue.read(2), { code: "queue/limit" });
    assert.deepEqual((await queue.read()).texts, ["a"]);
  });

  it("keep their numbers and their ratchet over a restart", async () => {
    await queue.enqueue("before");
    await services.reopen();
    await queue.enqueue("after");
    assert.deepEqual((await queue.read()).texts, ["before", "after"]);
    await services.reopen();
    await queue.read(1);
    await services.reopen();
    assert.deepEqual((await queue.read()).sequences, [2]);
  });

  it("get numbers without a gap from 64 senders at once, and all open", async () => {
    const sent = Array.from({ length: 64 }, (_, i) => `message ${i}`);
    await Promise.all(sent.map((text) => queue.enqueue(text)));
    const { sequences, texts } = await queue.read();
    assert.deepEqual(
      sequences,
      sent.map((_, i) => i + 1),
    );
    assert.deepEqual(new Set(texts), new Set(sent));
  });

  it("go to many queues in one batch, once to one that is named twice, in the order given", async () => {
    const other = await TestQueue.create(services);
    const handles = [await queue.handle(), ...(await other.handles(2))];
    const deliveries = ["first", "second"].map((text) => ({ handles, item: Buffer.from(text) }));
    await services.call((call) => services.queue.enqueue(call, deliveries));
    assert.deepEqual((await queue.read()).texts, ["first", "second"]);
    assert.deepEqual((await other.read()).texts, ["first", "second"]);
  });

  it("arrive from crossing fan-outs, which never wait for each other", async () => {
    const other = await TestQueue.create(services);
    const [mine, theirs] = [await queue.handle(), await other.handle()];
    const fanOut = (first: Buffer, second: Buffer): Promise<unknown> =>
      services.call((call) =>
        services.queue.enqueue(call, [
          { handles: [first], item: Buffer.from("commit") },
          { handles: [second], item: Buffer.from("welcome") },
        ]),
      );
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? fanOut(mine, theirs) : fanOut(theirs, mine))),
    );
    assert.equal((await queue.read()).texts.length, 20);
    assert.equal((await other.read()).texts.length, 20);
  });

  it("are stored for nobody when the request they belong to is refused", async () => {
    const handles = [await queue.handle()];
    let rung = false;
    void services.bell.wait(queue.queueId, services.now)?.then(() => (rung = true));
    await assert.rejects(
      services.call(async (call) => {
        await services.queue.enqueue(call, [{ handles, item: Buffer.from("x") }]);
        throw new Error("refused");
      }),
      /refused/,
    );
    assert.deepEqual((await queue.read()).sequences, []);
    assert.equal(rung, false);
    await queue.enqueue("y"); // control
    assert.deepEqual((await queue.read()).texts, ["y"]);
    assert.equal(rung, true);
  });

  it("are 1000 at most; the owner learns of what was refused until it acknowledges what came after", async () => {
    await fill(999);
    assert.equal((await queue.ask()).reply.full, 0);
    await fill(1);
    assert.equal((await queue.ask()).reply.full, 0);
    await fill(1);
    await fill(3);
    assert.equal((await queue.ask()).reply.full, 1);
    await services.reopen();
    assert.equal((await queue.ask(1000)).reply.full, 1);
    assert.equal((await queue.ask(1000)).reply.full, 1); // the answer was lost: still said
    await queue.enqueue("after the gap");
    const { reply } = await queue.ask(1000);
    assert.deepEqual(
      reply.items.map(({ sequence }) => sequence),
      [1001],
    );
    assert.equal(reply.full, 1);
    assert.equal((await queue.ask(1001)).reply.full, 1);
    assert.equal((await queue.ask(1001)).reply.full, 0);
  });

  it("make room as they are acknowledged: exactly as many fit again", async () => {
    await fill(1000);
    await queue.ask(10);
    await fill(11);
    const { reply } = await queue.ask(1009);
    assert.equal(reply.items.at(-1)?.sequence, 1010);
    assert.equal(reply.full, 1);
  });

  describe("of 4 MiB at most", () => {
    const LIMIT = 4 << 20;
    const SEALED = 1 << 14;
    const item = randomBytes(SEALED - ITEM_OVERHEAD);
    const waiting = (): Promise<number> =>
      services.call(async (call) => {
        const record = await call.tx.get("queue", queue.queueId);
        assert.ok(record);
        return waitingBytes(decode(queueRecord, record));
      });

    it("fill a queue to the last byte; then none is taken, and the owner learns of it", async () => {
      await fill(LIMIT / SEALED - 1, item);
      await fill(1, item);
      assert.equal((await queue.ask()).reply.full, 0);
      assert.equal(await waiting(), LIMIT);
      await services.reopen();
      await fill(1, "");
      assert.equal((await queue.ask()).reply.full, 1);
      assert.equal((await queue.ask(255)).reply.items.at(-1)?.sequence, 256);
    });

    it("leave room for exactly as much as is acknowledged, also after a restart", async () => {
      await fill(LIMIT / SEALED, item);
      await services.reopen();
      await queue.ask(2);
      assert.equal(await waiting(), LIMIT - 2 * SEALED);
      await services.reopen();
      await fill(1, item);
      await fill(1, Buffer.concat([item, Buffer.alloc(1)])); // a byte too long
      assert.equal((await queue.ask()).reply.full, 1);
      assert.equal(await waiting(), LIMIT - SEALED);
      await fill(1, item);
      assert.equal(await waiting(), LIMIT);
      assert.equal((await queue.ask(257)).reply.items.length, 1);
      assert.equal(await waiting(), SEALED);
      await queue.ask(258);
      assert.equal((await queue.ask(258)).reply.full, 0);
      assert.equal(await waiting(), 0);
    });

    it("are counted where the count runs over", async () => {
      await services.call(async (call) => {
        const record = decode(queueRecord, (await call.tx.get("queue", queue.queueId))!);
        const start = 2 ** 32 - SEALED - 1;
        save(call, "queue", queueRecord, queue.queueId, { ...record, written: start, released: start });
      });
      await fill(LIMIT / SEALED, item);
      assert.equal(await waiting(), LIMIT);
      await fill(1, "");
      assert.equal((await queue.ask(1)).reply.full, 1);
      assert.equal(await waiting(), LIMIT - SEALED);
      await queue.ask(256);
      assert.equal(await waiting(), 0);
    });
  });

  it("are read 500 at a time, with a mark when there are more", async () => {
    await fill(501, "");
    const { reply } = await queue.ask();
    assert.deepEqual([reply.items.length, reply.more], [500, 1]);
    const rest = (await queue.ask(500)).reply;
    assert.deepEqual([rest.items.length, rest.more], [1, 0]);
    await fill(499, "");
    const exact = (await queue.ask(500)).reply;
    assert.deepEqual([exact.items.length, exact.more], [500, 0]);
  });

  it("never make a reply that does not fit, and the longest item fits alone", async () => {
    await fill(2, randomBytes(ITEM_MAX));
    const { reply } = await queue.ask();
    assert.deepEqual([reply.items.length, reply.more], [1, 1]);
    assert.equal((await queue.ask(1)).reply.items.length, 1);
    await queue.ask(2);
    for (const size of [1000, 1003, 1006, 1010]) {
      const before = (await queue.ask()).reply.items.at(-1)?.sequence ?? 2;
      await fill(40, randomBytes(size));
      const some = (await queue.ask(before)).reply;
      assert.ok(some.items.length >= 30 && some.items.length < 33, `${some.items.length}`);
      assert.equal(some.more, 1);
      await queue.ask(before + 40);
    }
  });

  it("cannot be opened with what the server stores, only what comes next can", async () => {
    await queue.enqueue("gone");
    const seized = await services.call(async (call) => {
      const record = await call.tx.get("queue", queue.queueId);
      assert.ok(record);
      const { chain, next } = decode(queueRecord, record);
      const [item] = await call.tx.range("queueItem", queue.queueId, 1, 2, 1);
      assert.ok(item);
      const sealed = item.value.subarray(ITEM_MARK);
      for (const sequence of [1, next]) {
        const out = Buffer.alloc(sealed.length - ITEM_OVERHEAD);
        assert.throws(() => openNext(out, Buffer.from(chain), queue.queueId, sequence, sealed), {
          code: "crypto/open",
        });
      }
      return { chain: Buffer.from(chain), next };
    });
    await queue.enqueue("next");
    const { items } = (await queue.ask(1)).reply;
    const out = Buffer.alloc(4);
    openNext(out, seized.chain, queue.queueId, seized.next, items[0]!.sealed);
    assert.equal(out.toString(), "next");
  });

  it("leave neither text nor queue id nor owner key on the disk", async () => {
    const text = "a text that must not be found 0123456789";
    await queue.enqueue(text);
    await services.reopen();
    const needles = [Buffer.from(text), queue.queueId, queue.owner.publicKey, queue.chain, await queue.handle()];
    for (const needle of needles) assert.equal(services.onDisk(needle), false);
    services.plant(needles);
    for (const needle of needles) assert.equal(services.onDisk(needle), true); // control of the search
  });

  describe("waited for", () => {
    it("wake a reader that found nothing, within the seconds it asked for", async () => {
      const { reply, wait } = await queue.ask(0, 25);
      assert.deepEqual(reply.items, []);
      assert.equal(wait?.seconds, 25);
      let woken = false;
      void wait?.wake.then(() => (woken = true));
      await new Promise(setImmediate);
      assert.equal(woken, false);
      await queue.enqueue("news");
      await wait?.wake;
      assert.deepEqual((await queue.read()).texts, ["news"]);
      assert.equal(services.bell.size, 0);
    });

    it("hold nobody back who has something to read, or does not ask to wait", async () => {
      assert.equal((await queue.ask(0, 0)).wait, undefined);
      await queue.enqueue("there");
      assert.equal((await queue.ask(0, 25)).wait, undefined);
      assert.equal(services.bell.size, 0);
      await assert.rejects(queue.ask(0, 26), { code: "queue/limit" });
    });

    it("are not missed between the look and the wait", async () => {
      for (let round = 0; round < 40; round++) {
        const text = `round ${round}`;
        const [asked] = await Promise.all([queue.ask(round, 25), queue.enqueue(text)]);
        // Either it was read at once, or the reader wakes; the test's time limit is the control.
        if (asked.wait !== undefined) await asked.wait.wake;
        assert.deepEqual((await queue.read(round)).texts, [text]);
      }
    });

    it("write nothing for a reader that finds nothing new", async () => {
      assert.equal((await queue.ask(0, 25)).writes, 0);
      await queue.enqueue("one");
      assert.equal((await queue.ask(0)).writes, 0);
      assert.equal((await queue.ask(1)).writes, 2);
      services.now += 40 * 86_400; // the month of activity
      assert.equal((await queue.ask(1)).writes, 1);
    });
  });
});
