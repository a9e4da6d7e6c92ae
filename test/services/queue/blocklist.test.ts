import assert from "node:assert/strict";
import { derive } from "../../../src/crypto/derive.ts";
import { randomBytes } from "../../../src/crypto/random.ts";
import { BLOCKED_MAX } from "../../../src/wire/operations.ts";
import { DAY, keyPair, Services } from "../services.ts";
import { TestQueue } from "./test-queue.ts";

const tags = (count: number): Buffer[] => Array.from({ length: count }, () => randomBytes(16));

describe("services/queue blocklist", () => {
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(() => services.close());

  it("keeps out what is sent to handles of a blocked tag, and nothing else, also after a restart", async () => {
    const [blocked, wanted] = [randomBytes(16), randomBytes(16)];
    const [first, second, other] = await queue.mint(0, blocked, blocked, wanted);
    await queue.enqueue("before", first);
    await queue.block(1, [blocked]);
    await services.reopen();
    const [third] = await queue.mint(0, blocked); // an updated handle of the same leaf
    for (const handle of [first, second, third]) assert.deepEqual(await queue.enqueue("unwanted", handle), []);
    await queue.enqueue("wanted", other);
    assert.deepEqual((await queue.read()).texts, ["before", "wanted"]);
    await queue.block(2, []);
    await queue.enqueue("again", first);
    assert.deepEqual((await queue.read(2)).texts, ["again"]);
  });

  it("finds each of 1,000 tags and none besides; 1,001 are refused", async () => {
    const all = tags(BLOCKED_MAX + 1);
    const salt = randomBytes(32);
    await queue.block(1, all.slice(0, BLOCKED_MAX), salt);
    // In the order of the list: its ends are where a search goes wrong.
    const digest = (tag: Buffer): Buffer => derive(Buffer.alloc(16), "blockedTag", salt, tag);
    const listed = all.slice(0, BLOCKED_MAX).toSorted((a, b) => Buffer.compare(digest(a), digest(b)));
    const sent = [...listed.slice(0, 40), ...listed.slice(480, 520), ...listed.slice(-40)];
    for (const tag of sent) await queue.enqueue("unwanted", (await queue.mint(0, tag))[0]);
    assert.deepEqual((await queue.read()).texts, []);
    await queue.enqueue("wanted", (await queue.mint(0, all.at(-1)!))[0]);
    assert.deepEqual((await queue.read()).texts, ["wanted"]);
    await assert.rejects(queue.block(2, all), { code: "wire/malformed" });
    const short = { queueId: queue.queueId, number: 2, salt, digests: randomBytes(24) };
    await assert.rejects(services.ask("qs.block", short, queue.owner), { code: "wire/malformed" });
    const twice = { ...short, digests: Buffer.concat([digest(all[0]!), digest(all[0]!)]) };
    await assert.rejects(services.ask("qs.block", twice, queue.owner), { code: "wire/malformed" });
  });

  it("lists of every small length are searched to both ends", async () => {
    for (let count = 1; count <= 9; count++) {
      const some = tags(count);
      await queue.block(count, some);
      for (const tag of some) await queue.enqueue("unwanted", (await queue.mint(0, tag))[0]);
      await queue.enqueue(`wanted ${count}`, (await queue.mint(0, randomBytes(16)))[0]);
    }
    assert.deepEqual(
      (await queue.read()).texts,
      Array.from({ length: 9 }, (_, i) => `wanted ${i + 1}`),
    );
  });

  it("answers and writes the same whether a group is blocked or not, and wakes nobody", async () => {
    const [blocked, wanted] = [randomBytes(16), randomBytes(16)];
    const [out, inside] = await queue.mint(0, blocked, wanted);
    await queue.block(1, [blocked]);
    const send = (handle: Buffer | undefined, bytes: number) =>
      services.call(async (call) => {
        const written: [string, number][] = [];
        const note = (room: string, value: Uint8Array): number => written.push([room, value.length]);
        const tx = {
          ...call.tx,
          put: (...of: Parameters<typeof call.tx.put>) => (note(of[0], of[2]), call.tx.put(...of)),
          putAt: (...of: Parameters<typeof call.tx.putAt>) => (note(of[0], of[3]), call.tx.putAt(...of)),
          append: (...of: Parameters<typeof call.tx.append>) => (note(of[0], of[3]), call.tx.append(...of)),
        };
        const { gone } = await services.queue.enqueue({ ...call, tx }, [
          { handles: [handle!], item: Buffer.alloc(bytes) },
        ]);
        return { gone, written };
      });
    let rung = false;
    void services.bell.wait(queue.queueId, services.now)?.then(() => (rung = true));
    const dropped = [await send(out, 700), await send(out, 90_000)];
    await new Promise(setImmediate);
    assert.equal(rung, false);
    assert.deepEqual(dropped, [await send(inside, 700), await send(inside, 90_000)]);
    assert.deepEqual(
      dropped.map(({ written }) => written.length),
      [2, 5],
    );
    assert.equal(rung, true); // control
  });

  it("takes no room in the queue, and keeps nothing that opens", async () => {
    const [blocked] = tags(1);
    const [handle] = await queue.mint(0, blocked!);
    await queue.block(1, [blocked!]);
    for (let i = 0; i < 200; i++) await queue.enqueue(Buffer.alloc(30_000), handle);
    const { reply } = await queue.ask();
    assert.deepEqual([reply.items.length, reply.full], [0, 0]);
    const before = (await services.dump()).opened.length;
    await queue.enqueue(Buffer.alloc(30_000), handle);
    assert.equal((await services.dump()).opened.length, before);
  });

  it("is the owner's alone; a retry changes nothing, an old or skipped number is refused", async () => {
    const [one, two] = [randomBytes(16), randomBytes(16)];
    await queue.block(1, [one]);
    await queue.block(1, [two]); // a retry: the first one counts
    const [toOne, toTwo] = await queue.mint(0, one, two);
    await queue.enqueue("unwanted", toOne);
    await queue.enqueue("wanted", toTwo);
    assert.deepEqual((await queue.read()).texts, ["wanted"]);
    for (const number of [0, 3]) await assert.rejects(queue.block(number, []), { code: "queue/limit" });
    await queue.block(2, []);
    await assert.rejects(queue.block(1, [one]), { code: "queue/limit" });
    const request = { queueId: queue.queueId, number: 3, salt: randomBytes(32), digests: Buffer.alloc(0) };
    await assert.rejects(services.ask("qs.block", request, keyPair()), { code: "auth/signature" });
    await assert.rejects(services.ask("qs.block", { ...request, queueId: randomBytes(16) }, queue.owner), {
      code: "auth/signature",
    });
  });

  it("keeps what was dropped for a week at most", async () => {
    const [blocked, wanted] = [randomBytes(16), randomBytes(16)];
    const [out, inside] = await queue.mint(0, blocked, wanted);
    await queue.block(1, [blocked]);
    const items = async (): Promise<number> =>
      (await services.dump()).opened.filter(({ room }) => room === "queueItem").length;
    await queue.enqueue("wanted", inside);
    await queue.enqueue(Buffer.alloc(90_000), out);
    assert.ok((await items()) > 2); // control
    services.now += 7 * DAY;
    await services.lookAfterQueues();
    assert.equal(await items(), 1);
    await queue.enqueue("unwanted", out);
    assert.deepEqual((await queue.read()).texts, ["wanted"]);
  });

  it("goes with its queue, and so does what was dropped", async () => {
    const [blocked] = tags(1);
    const [handle] = await queue.mint(0, blocked!);
    const rooms = async (): Promise<string[]> => (await services.dump()).opened.map(({ room }) => room);
    await queue.block(1, [blocked!]);
    await queue.enqueue(Buffer.alloc(90_000), handle);
    assert.ok((await rooms()).filter((room) => room === "queueItem").length > 1); // control
    await queue.remove();
    assert.deepEqual(await rooms(), []);
  });

  describe("of handles: revoking", () => {
    it("ends all of earlier generations at once, silently; those of the new one were minted before", async () => {
      const tag = randomBytes(16);
      const [old] = await queue.mint(0, tag);
      const [fresh] = await queue.mint(1, tag);
      await queue.enqueue("to the old", old);
      await queue.enqueue("to the new, early", fresh);
      await queue.revoke(1);
      await queue.revoke(1);
      await services.reopen();
      assert.deepEqual(await queue.enqueue("late", old), []);
      await queue.enqueue("to the new", fresh);
      assert.deepEqual((await queue.read()).texts, ["to the old", "to the new, early", "to the new"]);
      await assert.rejects(queue.mint(0, tag), { code: "queue/limit" });
    });

    it("goes one by one, is the owner's alone, and mints one ahead, not two", async () => {
      await assert.rejects(queue.revoke(2), { code: "queue/limit" });
      await assert.rejects(queue.mint(2, randomBytes(16)), { code: "queue/limit" });
      await queue.revoke(1);
      await assert.rejects(queue.revoke(0), { code: "queue/limit" });
      await queue.mint(2, randomBytes(16));
      const request = { queueId: queue.queueId, generation: 2 };
      await assert.rejects(services.ask("qs.revokeHandles", request, keyPair()), { code: "auth/signature" });
    });
  });
});
