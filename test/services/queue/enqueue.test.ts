import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import type { Arena } from "../../../src/memory/arena.ts";
import { GuardedKey } from "../../../src/memory/guarded-key.ts";
import type { Delivery } from "../../../src/services/ports.ts";
import { enqueue } from "../../../src/services/queue/enqueue.ts";
import { QueueHandles } from "../../../src/services/queue/handle.ts";
import { openArenas, Services } from "../services.ts";
import { TestQueue } from "./test-queue.ts";

/** Counts what it opens. */
class Counting extends QueueHandles {
  opened = 0;
  override open(arena: Arena, handles: readonly Uint8Array[]): ReturnType<QueueHandles["open"]> {
    this.opened += handles.length;
    return super.open(arena, handles);
  }
}

describe("services/queue enqueue", () => {
  let services: Services;
  let counting: Counting;
  let key: GuardedKey;
  beforeEach(async () => {
    services = await Services.open();
    key = new GuardedKey(32, (memory) => memory.set(randomBytes(32)));
    counting = new Counting(key, services.domain);
  });
  afterEach(async () => {
    await services.close();
    key.destroy();
    assert.equal(openArenas(), 0);
  });

  const handleOf = (queueId: Uint8Array): Promise<Buffer> =>
    services.call(async ({ arena }) => Buffer.from(counting.mint(arena, queueId, 0, [randomBytes(16)])[0]!));

  it("opens the handles of one list once, however many deliveries are for it", async () => {
    const queues = [await TestQueue.create(services), await TestQueue.create(services)];
    const handles = await Promise.all([...queues.map(({ queueId }) => handleOf(queueId)), handleOf(randomBytes(16))]);
    const texts = Array.from({ length: 16 }, (_, i) => `proposal ${i}`);
    const deliveries: Delivery[] = texts.map((text) => ({ handles, item: Buffer.from(text) }));
    // Another list is opened for itself, also where it holds the same handles.
    deliveries.push({ handles: handles.slice(0, 1), item: Buffer.from("welcome") });
    const { gone } = await services.call((call) => enqueue(counting, services.bell)(call, deliveries));
    assert.equal(counting.opened, handles.length + 1);
    assert.ok(gone.length > 0 && gone.every((one) => one === handles[2]));
    assert.deepEqual((await queues[0]!.read()).texts, [...texts, "welcome"]);
    assert.deepEqual((await queues[1]!.read()).texts, texts);
  });

  it("lets others have their turn while many handles are opened and many items sealed", async () => {
    const queue = await TestQueue.create(services);
    const handle = await handleOf(queue.queueId);
    const turns = async (count: number, length: number): Promise<number> => {
      const handles = Array.from({ length: count }, () => Buffer.from(handle));
      const deliveries = Array.from({ length }, () => ({ handles, item: Buffer.from("x") }));
      let [ticks, over] = [0, false];
      const tick = (): void => void (over || (ticks++, setImmediate(tick)));
      await services.call(async (call) => {
        setImmediate(tick);
        await enqueue(counting, services.bell)(call, deliveries);
        over = true;
      });
      return ticks;
    };
    const few = await turns(1, 1);
    assert.ok((await turns(1024, 1)) >= few + 3);
    assert.ok((await turns(1, 16)) >= few + 15);
  });
});
