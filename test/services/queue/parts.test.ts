import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { ITEM_MAX, ITEM_PART_MAX, itemKinds, itemPart, queueItem } from "../../../src/wire/documents.ts";
import { operations } from "../../../src/wire/operations.ts";
import { Services } from "../services.ts";
import { TestQueue } from "./test-queue.ts";

const { itemsPerQueue } = operations["qs.read"].limits;

/** A queueItem of exactly `length` bytes. */
const itemOf = (length: number): Buffer =>
  encode(queueItem, { kind: itemKinds.commit, message: randomBytes(length - 5) }, (size) => Buffer.alloc(size));

describe("services/queue parts", () => {
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(() => services.close());

  async function readAll(): Promise<Buffer[]> {
    const all: Buffer[] = [];
    for (let acknowledge = 0; ;) {
      const { reply } = await queue.ask(acknowledge);
      all.push(...queue.open(reply.items));
      acknowledge = reply.items.at(-1)?.sequence ?? acknowledge;
      if (reply.more === 0) return all;
    }
  }

  it("of a long message come one behind the other and give it again; the longest item stays whole", async () => {
    for (const length of [ITEM_MAX, ITEM_MAX + 1, 3 * ITEM_PART_MAX, 3 * ITEM_PART_MAX + 1]) {
      const item = itemOf(length);
      queue = await TestQueue.create(services);
      await queue.enqueue("first");
      await queue.enqueue(item);
      await queue.enqueue("last");
      const [first, ...rest] = await readAll();
      const last = rest.pop();
      assert.deepEqual([first, last].map(String), ["first", "last"]);
      if (length === ITEM_MAX) {
        assert.deepEqual(rest, [item]);
        continue;
      }
      const parts = rest.map((one) => {
        const { kind, message } = decode(queueItem, one);
        assert.equal(kind, itemKinds.part);
        assert.ok(one.length <= ITEM_MAX);
        return decode(itemPart, message);
      });
      assert.deepEqual(
        parts.map(({ index, count }) => [index, count]),
        parts.map((_, i) => [i, Math.ceil(length / ITEM_PART_MAX)]),
      );
      assert.deepEqual(Buffer.concat(parts.map(({ bytes }) => bytes)), item);
    }
  });

  it("are taken together or not at all where the queue has room for some of them only", async () => {
    const [handle] = await queue.handles(1);
    const few = itemsPerQueue - 2;
    await services.call(async (call) => {
      for (let i = 0; i < few; i++) {
        await services.queue.enqueue(call, [{ handles: [handle!], item: Buffer.of(i & 0xff) }]);
      }
    });
    await queue.enqueue(itemOf(3 * ITEM_PART_MAX), handle);
    const { reply } = await queue.ask();
    assert.equal(reply.full, 1);
    assert.equal((await readAll()).length, few);
    await queue.enqueue(itemOf(2 * ITEM_PART_MAX), handle); // control: two fit
    assert.equal((await readAll()).length, 2);
  });
});
