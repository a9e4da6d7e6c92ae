import assert from "node:assert/strict";
import { join } from "node:path";
import { Level } from "level";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import type { Operation, StoreDriver } from "../../src/store/driver.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { agreesWithModel, driverContract, storeContract, type Subject } from "../contract/store.ts";
import { key, MemoryDriver, storeOver, temporary } from "./harness.ts";

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
