import assert from "node:assert/strict";
import { join } from "node:path";
import { Level } from "level";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import type { Entry, Operation, StoreDriver } from "../../src/store/driver.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { agreesWithModel, driverContract, storeContract, type Subject } from "../contract/store.ts";
import { key, MemoryDriver, storeOver, temporary, withArena } from "./harness.ts";

const driverInMemory = async (): Promise<Subject<StoreDriver>> => {
  const driver = new MemoryDriver();
  const open = async () => Promise.resolve(driver);
  return Promise.resolve({ open, reopen: open, remove: () => driver.close() });
};

const driverOnDisk = async (): Promise<Subject<StoreDriver>> => {
  const { dir, remove } = temporary();
  let driver = await openLevel({ dir: join(dir, "db"), create: true });
  return {
    open: async () => Promise.resolve(driver),
    async reopen() {
      await driver.close();
      return (driver = await openLevel({ dir: join(dir, "db") }));
    },
    async remove() {
      await driver.close();
      remove();
    },
  };
};

const storeInMemory = async (): Promise<Subject<Store>> => {
  const store = storeOver(new MemoryDriver());
  const open = async () => Promise.resolve(store);
  return Promise.resolve({ open, reopen: open, remove: () => store.close() });
};

const storeOnDisk = async (): Promise<Subject<Store>> => {
  const { dir, remove } = temporary();
  const masterKey = key();
  await createStore({ dir, masterKey });
  let store = await openStore({ dir, masterKey });
  return {
    open: async () => Promise.resolve(store),
    async reopen() {
      await store.close();
      return (store = await openStore({ dir, masterKey }));
    },
    async remove() {
      await store.close();
      masterKey.destroy();
      remove();
    },
  };
};

driverContract("memory", driverInMemory);
driverContract("LevelDB", driverOnDisk);
storeContract("memory", storeInMemory, 100);
storeContract("LevelDB", storeOnDisk, 25);

describe("the contract", () => {
  // Each a way for a driver to be wrong; the model must find every one of them.
  const wrong: Record<string, (operations: readonly Operation[]) => readonly Operation[]> = {
    "writes half a batch": (operations) => operations.slice(0, Math.ceil(operations.length / 2)),
    "forgets deletions": (operations) => operations.filter(({ value }) => value !== undefined),
    "writes nothing": () => [],
  };
  for (const [fault, change] of Object.entries(wrong))
    it(`is not met by a driver that ${fault}`, async () => {
      class Wrong extends MemoryDriver {
        override commit(operations: readonly Operation[]): Promise<void> {
          return super.commit(change(operations));
        }
      }
      const make = async (): Promise<Subject<Store>> => {
        const store = storeOver(new Wrong());
        const open = async () => Promise.resolve(store);
        return Promise.resolve({ open, reopen: open, remove: () => store.close() });
      };
      await assert.rejects(agreesWithModel(make, 100), /Property failed/);
    });
});

describe("store/level-driver: reads in place", () => {
  const original = Level.prototype.getSync;
  let calls = 0;
  let now = 0;
  let milliseconds = 0;
  beforeEach(() => {
    Level.prototype.getSync = function (this: Level, ...args: Parameters<typeof original>) {
      calls++;
      now += milliseconds;
      return original.apply(this, args);
    } as typeof original;
  });
  afterEach(() => {
    Level.prototype.getSync = original;
  });

  it("stop after one that had to wait for the disk, and come back", async () => {
    const { dir, remove } = temporary();
    const driver = await openLevel({ dir: join(dir, "db"), create: true, stopwatch: () => now });
    const value = Buffer.from("value");
    const keys = Array.from({ length: 10 }, (_, i) => Buffer.alloc(24, i));
    await driver.commit(keys.map((at) => ({ key: at, value })));
    const inPlace = async (each: number): Promise<number> => {
      milliseconds = each;
      calls = 0;
      for (const at of keys) assert.deepEqual(await driver.get(at), value);
      assert.deepEqual(await driver.getMany(keys), Array(keys.length).fill(value));
      return calls;
    };
    try {
      assert.equal(await inPlace(1), 20);
      assert.equal(await inPlace(10), 1);
      now += 200;
      assert.equal(await inPlace(0), 0);
      now += 50;
      assert.equal(await inPlace(0), 20);
    } finally {
      await driver.close();
      remove();
    }
  });

  it("are for few keys", async () => {
    const { dir, remove } = temporary();
    const driver = await openLevel({ dir: join(dir, "db"), create: true, stopwatch: () => now });
    calls = 0;
    assert.equal((await driver.getMany(Array.from({ length: 100 }, () => Buffer.alloc(24)))).length, 100);
    assert.equal(calls, 0);
    await driver.close();
    remove();
  });
});

describe("store/level-driver: a range", () => {
  it("reads little more than the bytes it is asked for", async () => {
    const { dir, remove } = temporary();
    const driver = await openLevel({ dir: join(dir, "db"), create: true });
    const keyOf = (i: number): Buffer =>
      Buffer.alloc(24, 0)
        .fill(Math.floor(i / 256), 0, 1)
        .fill(i % 256, 1, 2);
    try {
      await driver.commit(Array.from({ length: 1000 }, (_, i) => ({ key: keyOf(i), value: Buffer.alloc(1000, 1) })));
      const read = async (maxBytes?: number): Promise<number> => {
        const found = await driver.range(Buffer.alloc(24), Buffer.alloc(24, 255), 1000, maxBytes);
        return found.reduce((sum, { value }) => sum + value.length, 0);
      };
      const some = await read(32 << 10);
      assert.ok(some >= 32 << 10 && some < 40 << 10, `${some}`);
      assert.equal(await read(), 1_000_000); // control
    } finally {
      await driver.close();
      remove();
    }
  });
});

describe("store: a bounded range", () => {
  it("asks the driver for no more than its bytes, sealed", async () => {
    const asked: number[] = [];
    class Counting extends MemoryDriver {
      override async range(...given: Parameters<MemoryDriver["range"]>): Promise<Entry[]> {
        const found = await super.range(...given);
        asked.push(found.reduce((sum, { value }) => sum + value.length, 0));
        return found;
      }
    }
    const store = storeOver(new Counting());
    const row = Buffer.from("row");
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        for (let i = 1; i <= 1000; i++) tx.putAt("queueItem", row, i, Buffer.alloc(1000));
        return Promise.resolve();
      }),
    );
    const read = (maxBytes?: number): Promise<number> =>
      withArena((arena) =>
        store.read(arena, async (view) => (await view.range("queueItem", row, 0, 2000, 500, maxBytes)).length),
      );
    assert.equal(await read(32_000), 32);
    assert.ok(asked.length <= 2 && asked.every((bytes) => bytes < 36 << 10), asked.join());
    asked.length = 0;
    assert.equal(await read(), 500);
    assert.ok(asked.some((bytes) => bytes > 256_000)); // control
    await store.close();
  });
});

describe("store/level-driver: recovery", () => {
  it("tells of each time the database was opened anew, and of nothing else", async () => {
    const { dir, remove } = temporary();
    let reopened = 0;
    const driver = await openLevel({ dir: join(dir, "db"), create: true, reopened: () => void reopened++ });
    const put = (byte: number): Promise<void> => driver.commit([{ key: Buffer.alloc(24, byte), value: Buffer.of(1) }]);
    await put(1);
    await driver.recover();
    assert.equal(reopened, 0); // nothing had failed
    const original = Level.prototype.batch;
    Level.prototype.batch = function (this: Level) {
      const batch = original.call(this) as unknown as { write: () => Promise<void> };
      batch.write = () => Promise.reject(new Error("disk"));
      return batch;
    } as unknown as typeof original;
    try {
      await assert.rejects(put(2), { code: "store/write" });
    } finally {
      Level.prototype.batch = original;
    }
    assert.equal(reopened, 0);
    await driver.recover();
    assert.equal(reopened, 1);
    await put(2);
    await driver.close();
    remove();
  });
});
