import assert from "node:assert/strict";
import { Fault } from "../../src/fault.ts";
import type { Operation } from "../../src/store/driver.ts";
import type { Store } from "../../src/store/store.ts";
import { bytes, MemoryDriver, storeOver, withArena } from "./harness.ts";

/** A disk whose sync failed: what it was given is in its log, and shows only once the database is opened anew. */
class LateDriver extends MemoryDriver {
  #late: (readonly Operation[])[] = [];
  breaks = false;

  override async commit(operations: readonly Operation[]): Promise<void> {
    if (!this.breaks) return super.commit(operations);
    this.breaks = false;
    this.#late.push(operations);
    throw new Fault("store/write");
  }

  override async recover(): Promise<void> {
    for (const operations of this.#late.splice(0)) await super.commit(operations);
  }
}

describe("store/writer", () => {
  let driver: LateDriver;
  let store: Store;
  beforeEach(() => {
    driver = new LateDriver();
    store = storeOver(driver);
  });
  afterEach(() => store.close());

  const name = bytes("counter");
  const read = (): Promise<number> =>
    withArena((arena) => store.read(arena, async (view) => (await view.get("queue", name))?.[0] ?? 0));
  const increment = (): Promise<void> =>
    withArena((arena) =>
      store.transact(arena, async (tx) => {
        await tx.lock("queue", name);
        const before = (await tx.get("queue", name))?.[0] ?? 0;
        tx.put("queue", name, Buffer.of(before + 1));
      }),
    );

  it("loses no batch that comes to light after its failure to one that did not see it", async () => {
    await increment();
    driver.breaks = true;
    await assert.rejects(increment(), { code: "store/write" });
    assert.equal(await read(), 1); // not to be seen yet
    await assert.rejects(increment(), { code: "store/write" }); // it rests on what is no longer so
    assert.equal(await read(), 2);
    await increment();
    assert.equal(await read(), 3);
  });

  it("goes on at once after a failure that wrote nothing", async () => {
    await increment();
    driver.fail = "before";
    await assert.rejects(increment(), { code: "store/write" });
    await increment();
    assert.equal(await read(), 2);
  });

  it("says once that it takes nothing any more, when a failed write has lost what was there", async () => {
    let failed = 0;
    const lossy = new (class extends LateDriver {
      override async recover(): Promise<void> {
        this.records.clear();
        return Promise.resolve();
      }
    })();
    const other = storeOver(lossy, () => failed++);
    const put = (): Promise<void> =>
      withArena((arena) => other.transact(arena, async (tx) => tx.put("queue", name, Buffer.of(1))));
    await put();
    lossy.breaks = true;
    await assert.rejects(put(), { code: "store/write" });
    assert.equal(failed, 0);
    for (let i = 0; i < 3; i++) await assert.rejects(put(), { code: "store/corrupt" });
    assert.equal(failed, 1);
    await other.close();
    assert.equal(failed, 1);
  });
});
