import assert from "node:assert/strict";
import { Fault } from "../../src/fault.ts";
import { MAX_VALUE_LENGTH } from "../../src/store/sealing.ts";
import type { Store, Transaction } from "../../src/store/store.ts";
import { bytes, MemoryDriver, storeOver, withArena } from "./harness.ts";

const queue = bytes("queue");

/** Adds one to the number at `queue` and appends an item; returns the number. */
const append = (store: Store, locked = true): Promise<number> =>
  withArena((arena) =>
    store.transact(arena, async (tx) => {
      if (locked) await tx.lock("queue", queue);
      const next = ((await tx.get("queue", queue))?.readUInt32BE() ?? 0) + 1;
      const record = Buffer.alloc(4);
      record.writeUInt32BE(next);
      tx.put("queue", queue, record);
      tx.putAt("queueItem", queue, next, record);
      return next;
    }),
  );
const count = (store: Store): Promise<number> =>
  withArena((arena) => store.read(arena, async (view) => (await view.get("queue", queue))?.readUInt32BE() ?? 0));
const put = (store: Store, name: string, value: string): Promise<void> =>
  withArena((arena) =>
    store.transact(arena, async (tx) => Promise.resolve(tx.put("queue", bytes(name), bytes(value)))),
  );
const get = (store: Store, name: string): Promise<string | undefined> =>
  withArena((arena) => store.read(arena, async (view) => (await view.get("queue", bytes(name)))?.toString()));

/** A driver whose commits wait until the returned function is called. */
function held(): { driver: MemoryDriver; release: () => void } {
  const driver = new MemoryDriver();
  let release = (): void => {};
  driver.hold = new Promise((resolve) => (release = resolve));
  return { driver, release };
}
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  await turn();
  return settled;
};

describe("store/store: pipelining", () => {
  it("lets 64 clients append to one queue in a handful of commits, losing no update", async () => {
    const driver = new MemoryDriver();
    const store = storeOver(driver);
    const numbers = await Promise.all(Array.from({ length: 64 }, () => append(store)));
    assert.equal(new Set(numbers).size, 64);
    assert.equal(await count(store), 64);
    assert.ok(driver.commits < 10, `${driver.commits} commits`);
  });

  it("loses updates without the lock (so the test above can fail)", async () => {
    const store = storeOver(new MemoryDriver());
    await Promise.all(Array.from({ length: 64 }, () => append(store, false)));
    assert.ok((await count(store)) < 64);
  });

  it("shows queued writes to later work before they are durable, but answers nobody", async () => {
    const { driver, release } = held();
    const store = storeOver(driver);
    const first = put(store, "a", "1");
    await turn();
    let seen: string | undefined;
    const reader = withArena((arena) =>
      store.read(arena, async (view) => {
        seen = (await view.get("queue", bytes("a")))?.toString();
        return seen;
      }),
    );
    const refuser = withArena((arena) =>
      store.transact(arena, async (tx) => {
        if ((await tx.get("queue", bytes("a"))) !== undefined) throw new Fault("account/taken");
      }),
    );
    refuser.catch(() => {});
    const other = get(store, "b");
    assert.equal(await isSettled(reader), false);
    assert.equal(seen, "1");
    assert.equal(await isSettled(first), false);
    assert.equal(await isSettled(refuser), false, "a refusal may not rest on what is not durable");
    assert.equal(await other, undefined, "who saw nothing pending waits for nothing");
    release();
    assert.equal(await reader, "1");
    await assert.rejects(refuser, { code: "account/taken" });
    await first;
  });

  it("refuses everything behind a failed batch, and everybody who saw it", async () => {
    const { driver, release } = held();
    driver.fail = "before";
    const store = storeOver(driver);
    const first = put(store, "a", "1");
    await turn();
    const behind = append(store);
    const reader = get(store, "a");
    let resume = (): void => {};
    const paused = new Promise<void>((resolve) => (resume = resolve));
    const underWay = withArena((arena) =>
      store.transact(arena, async (tx) => {
        const value = await tx.get("queue", bytes("a"));
        await paused;
        tx.put("queue", bytes("copy"), value ?? bytes("nothing"));
      }),
    );
    const outcomes = Promise.allSettled([first, behind, reader, underWay]);
    await turn();
    release();
    await first.catch(() => {});
    resume();
    for (const outcome of await outcomes)
      assert.equal(outcome.status === "rejected" && (outcome.reason as Fault).code, "store/write");
    assert.equal(await get(store, "a"), undefined);
    assert.equal(await get(store, "copy"), undefined);
    assert.equal(await append(store), 1, "and goes on afterwards");
  });

  it("goes on from the truth when a failed commit had been written after all", async () => {
    const driver = new MemoryDriver();
    const store = storeOver(driver);
    await put(store, "a", "1");
    driver.fail = "after";
    await assert.rejects(put(store, "a", "2"), { code: "store/write" });
    assert.equal(await get(store, "a"), "2");
    await assert.rejects(put(store, "b", "3"), { code: "store/write" }); // may rest on what was read before it showed
    await put(store, "b", "3");
    assert.equal(await get(store, "b"), "3");
  });

  it("stops for good when the head is neither the last nor the attempted one", async () => {
    const driver = new MemoryDriver();
    const store = storeOver(driver);
    await put(store, "a", "1");
    const older = new Map(driver.records);
    await put(store, "a", "2");
    driver.fail = "before";
    await assert.rejects(put(store, "a", "3"), { code: "store/write" });
    driver.records.clear();
    for (const [name, value] of older) driver.records.set(name, value);
    await assert.rejects(put(store, "a", "4"), { code: "store/corrupt" });
    await assert.rejects(put(store, "a", "5"), { code: "store/corrupt" });
  });

  it("lets the next one at a name as soon as the writes are queued", async () => {
    const { driver, release } = held();
    const store = storeOver(driver);
    const all = [append(store), append(store), append(store)];
    await turn();
    let entered = false;
    const fourth = withArena((arena) =>
      store.transact(arena, async (tx) => {
        await tx.lock("queue", queue);
        entered = true;
      }),
    );
    await turn();
    assert.ok(entered);
    release();
    assert.deepEqual(await Promise.all(all), [1, 2, 3]);
    await fourth;
  });
});

describe("store/store: locks", () => {
  const attempt = (work: (tx: Transaction) => Promise<unknown>): Promise<unknown> =>
    withArena((arena) => storeOver(new MemoryDriver()).transact(arena, work));

  it("refuses a lock of the same or a lower rank than one that is held", async () => {
    const backwards = attempt(async (tx) => {
      await tx.lock("queue", queue);
      await tx.lock("account", queue);
    });
    await assert.rejects(backwards, RangeError);
    const sideways = attempt(async (tx) => {
      await tx.lock("queue", bytes("one"));
      await tx.lock("queue", bytes("two"));
    });
    await assert.rejects(sideways, RangeError);
  });

  it("allows rising ranks, names said twice and names that are held", async () => {
    await attempt(async (tx) => {
      await tx.lock("account", queue, queue);
      await tx.lock("queue", bytes("two"), bytes("one"), bytes("two"));
      await tx.lock("queue", bytes("one"));
      await tx.lock("account", queue);
      await tx.lock("queueItem");
    });
  });

  it("never lets two transactions wait for each other, whatever the order of names", async () => {
    const store = storeOver(new MemoryDriver());
    const names = Array.from({ length: 6 }, (_, i) => bytes(`name ${i}`));
    const some = (i: number): Buffer[] => [names[i % 6]!, names[(i * 5 + 1) % 6]!, names[(i * 7 + 2) % 6]!];
    let inside = 0;
    const work = (i: number): Promise<void> =>
      withArena((arena) =>
        store.transact(arena, async (tx) => {
          await tx.lock("queue", ...some(i));
          await new Promise(setImmediate);
          inside++;
        }),
      );
    await Promise.all(Array.from({ length: 100 }, (_, i) => work(i)));
    assert.equal(inside, 100);
  });

  it("gives a name back when work throws", async () => {
    const store = storeOver(new MemoryDriver());
    const failing = withArena((arena) =>
      store.transact(arena, async (tx) => {
        await tx.lock("queue", queue);
        throw new Error("refused");
      }),
    );
    await assert.rejects(failing, /refused/);
    assert.equal(await append(store), 1);
  });
});

describe("store/store: misuse and ends", () => {
  it("refuses a room of the other kind, a missing partition, a late call, a value that is too long", async () => {
    const store = storeOver(new MemoryDriver());
    let late: Transaction | undefined;
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        late = tx;
        assert.throws(() => tx.put("queueItem", queue, queue), TypeError);
        assert.throws(() => tx.putAt("queue", queue, 1, queue), TypeError);
        assert.throws(() => tx.put("spent", queue, queue), TypeError);
        assert.throws(() => tx.put("queue", queue, queue, { partition: 1 }), TypeError);
        assert.throws(() => tx.putAt("queueItem", queue, -1, queue), RangeError);
        assert.throws(() => tx.put("queue", queue, Buffer.alloc(MAX_VALUE_LENGTH + 1)), RangeError);
        await assert.rejects(tx.get("spent", queue), TypeError);
        await assert.rejects(tx.range("queue", queue, 0, 1, 1), TypeError);
      }),
    );
    assert.throws(() => late?.put("queue", queue, queue), /over/);
    assert.throws(() => void store.dropPartition("queue", 1), TypeError);
  });

  it("keeps the longest and the empty value", async () => {
    const store = storeOver(new MemoryDriver());
    const longest = Buffer.alloc(MAX_VALUE_LENGTH, 5);
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        tx.put("queue", bytes("long"), longest);
        tx.put("queue", bytes("empty"), Buffer.alloc(0));
        return Promise.resolve();
      }),
    );
    await withArena((arena) =>
      store.read(arena, async (view) => {
        assert.ok((await view.get("queue", bytes("long")))?.equals(longest));
        assert.equal((await view.get("queue", bytes("empty")))?.length, 0);
      }),
    );
  });

  it("finishes what is under way when it closes, and refuses what comes after", async () => {
    const { driver, release } = held();
    const store = storeOver(driver);
    const last = append(store);
    const closing = store.close();
    await assert.rejects(append(store), { code: "store/closed" });
    await assert.rejects(get(store, "a"), { code: "store/closed" });
    assert.equal(await isSettled(closing), false);
    release();
    assert.equal(await last, 1);
    await closing;
    await store.close();
    assert.ok(driver.records.size > 0);
  });
});

describe("store/store: names", () => {
  it("are taken by their bytes: one buffer used for many names, in any order", async () => {
    const store = storeOver(new MemoryDriver());
    const name = Buffer.alloc(2);
    const names = [1, 2, 3, 4, 5, 6, 300, 1, 6].map((n) => (n > 255 ? bytes("longer") : Buffer.of(n, n)));
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        await tx.lock("queue", ...names.slice(0, 7));
        for (const [i, one] of names.entries()) {
          const buffer = one.length === 2 ? name.fill(one) : one;
          assert.deepEqual(await tx.get("queue", buffer), i < 7 ? undefined : one);
          assert.equal(await tx.get("account", buffer), undefined);
          tx.put("queue", buffer, one);
        }
      }),
    );
    for (const one of names) assert.equal(await get(store, one.toString("latin1")), one.toString());
    await store.close();
  });
});
