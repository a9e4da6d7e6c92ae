import assert from "node:assert/strict";
import { operations } from "../../../src/wire/operations.ts";
import { DAY, Services } from "../services.ts";
import { sealedKeyPackage, TestQueue } from "./test-queue.ts";

const { lifetimeDays } = operations["qs.publish"].limits;

describe("services/queue lifetimes of KeyPackages", () => {
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(() => services.close());
  const said = async (): Promise<[number, number]> => {
    const { keyPackages, keyPackagesExpired } = (await queue.ask()).reply;
    return [keyPackages, keyPackagesExpired];
  };

  it("end with their last day: then the next good one is handed out, at last none", async () => {
    const [short, long, last] = [sealedKeyPackage(), sealedKeyPackage(), sealedKeyPackage()];
    await queue.publishTimed([queue.timed(short, 1), queue.timed(long, 2)], queue.timed(last, 3));
    services.now += DAY; // control: the last day of the first
    await queue.publishTimed(
      [queue.timed(short, 0), queue.timed(short, 0), queue.timed(long, 1)],
      queue.timed(last, 2),
    );
    assert.deepEqual(await queue.claim(), short);
    services.now += DAY;
    await services.reopen();
    assert.deepEqual(await queue.claim(), long);
    assert.deepEqual(await queue.claim(), last);
    services.now += DAY;
    assert.deepEqual(await queue.claim(), last);
    services.now += DAY;
    await assert.rejects(queue.claim(), { code: "queue/no-key-package" });
  });

  it("are bounded: a last day that is over or too far off is refused", async () => {
    const publish = (one: number, last: number): Promise<void> =>
      queue.publishTimed([queue.timed(sealedKeyPackage(), one)], queue.timed(sealedKeyPackage(), last));
    await publish(0, lifetimeDays);
    await publish(lifetimeDays, 0);
    for (const [one, last] of [
      [-1, 1],
      [1, -1],
      [lifetimeDays + 1, 1],
      [1, lifetimeDays + 1],
    ] as const) {
      await assert.rejects(publish(one, last), { code: "queue/limit" });
    }
  });

  it("and numbers are told to the owner: how many are left, and once one has run out until the next publication", async () => {
    assert.deepEqual(await said(), [0, 0]);
    await queue.publishTimed(
      [queue.timed(sealedKeyPackage(), 10), queue.timed(sealedKeyPackage(), 1), queue.timed(sealedKeyPackage(), 10)],
      queue.timed(sealedKeyPackage(), 10),
    );
    assert.deepEqual(await said(), [3, 0]);
    await queue.claim();
    await services.reopen();
    assert.deepEqual(await said(), [2, 0]);
    services.now += 2 * DAY;
    assert.deepEqual((await said())[1], 1);
    await queue.claim(); // drops the one that ran out
    assert.deepEqual(await said(), [0, 1]);
    await queue.publish([sealedKeyPackage()], sealedKeyPackage());
    assert.deepEqual(await said(), [1, 0]);
  });

  it("drop the expired from the store at the next look", async () => {
    const needle = sealedKeyPackage(700);
    await queue.publishTimed([queue.timed(needle, 3), queue.timed(sealedKeyPackage(), 60)], queue.timed(needle, 3));
    const holds = async (): Promise<boolean> =>
      (await services.dump()).opened.some(({ value }) => Buffer.from(value).includes(needle));
    services.now += 3 * DAY;
    await services.lookAfterQueues();
    assert.equal(await holds(), true); // control
    services.now += 4 * DAY;
    await services.lookAfterQueues();
    assert.equal(await holds(), false);
    assert.deepEqual(await said(), [1, 1]);
    await queue.claim();
    await assert.rejects(queue.claim(), { code: "queue/no-key-package" });
  });
});
