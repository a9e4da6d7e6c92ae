import assert from "node:assert/strict";
import { type Period, sweep } from "../../src/store/expiry.ts";
import type { Store } from "../../src/store/store.ts";
import { bytes, MemoryDriver, storeOver, withArena } from "./harness.ts";

const DAY = 86400;
const periods: Period[] = [
  { room: "receipt", seconds: DAY, keepSeconds: 2 * DAY },
  { room: "spent", seconds: 30 * DAY, keepSeconds: 7 * DAY },
];
const at = (day: number): number => day * DAY + 5;

const run = (store: Store, now: number): Promise<number> => withArena((arena) => sweep(store, { now, periods, arena }));
const put = (store: Store, room: "receipt" | "spent", partition: number): Promise<void> =>
  withArena((arena) =>
    store.transact(arena, async (tx) =>
      Promise.resolve(tx.put(room, bytes(`name ${partition}`), bytes("v"), { partition })),
    ),
  );
const has = (store: Store, room: "receipt" | "spent", partition: number): Promise<boolean> =>
  withArena((arena) =>
    store.read(arena, async (view) => (await view.get(room, bytes(`name ${partition}`), { partition })) !== undefined),
  );

describe("store/expiry", () => {
  it("drops what is over, keeps what is not, to the second", async () => {
    const store = storeOver(new MemoryDriver());
    for (const day of [20_000, 20_001, 20_002, 20_003]) await put(store, "receipt", day);
    assert.equal(await run(store, at(20_003) - 6), 0);
    assert.equal(await run(store, at(20_003)), 1);
    assert.equal(await has(store, "receipt", 20_000), false);
    assert.equal(await has(store, "receipt", 20_001), true);
    assert.equal(await run(store, at(20_003)), 0);
    assert.equal(await run(store, at(20_005)), 2);
    assert.equal(await has(store, "receipt", 20_003), true);
  });

  it("keeps spent tokens as long as their key's overlap", async () => {
    const store = storeOver(new MemoryDriver());
    await put(store, "spent", 600);
    assert.equal(await run(store, 601 * 30 * DAY + 7 * DAY - 1), 0);
    assert.equal(await has(store, "spent", 600), true);
    assert.equal(await run(store, 601 * 30 * DAY + 7 * DAY), 1);
    assert.equal(await has(store, "spent", 600), false);
  });

  it("goes on where it stopped, also after a clock that was far ahead", async () => {
    const store = storeOver(new MemoryDriver());
    await run(store, at(20_000));
    await put(store, "receipt", 20_000);
    await run(store, at(20_000 + 99));
    assert.equal(await has(store, "receipt", 20_000), false);
    await run(store, at(40_000));
    await put(store, "receipt", 20_100);
    assert.equal(await run(store, at(20_103)), 1);
  });
});
