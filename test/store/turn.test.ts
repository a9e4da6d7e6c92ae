import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import type { Room, Store } from "../../src/store/store.ts";
import { createStore, openStore } from "../../src/store/store.ts";
import { openDeleted } from "./deleted.ts";
import { bytes, key, MemoryDriver, storeOver, temporary, withArena } from "./harness.ts";

const put = (store: Store, room: Room, name: string, value: string, partition?: number): Promise<void> =>
  withArena((arena) =>
    store.transact(arena, async (tx) =>
      tx.put(room, bytes(name), bytes(value), partition === undefined ? undefined : { partition }),
    ),
  );
const get = (store: Store, name: string): Promise<string | undefined> =>
  withArena((arena) => store.read(arena, async (view) => (await view.get("queue", bytes(name)))?.toString()));

describe("store/turn", () => {
  let base: string;
  let dir: string;
  let remove: () => void;
  let images: string[];
  beforeEach(async () => {
    ({ dir: base, remove } = temporary());
    dir = join(base, "store");
    images = [];
    await createStore({ dir, masterKey: key() });
  });
  afterEach(() => remove());

  const open = (): Promise<Store> => openStore({ dir, masterKey: key(), reserveBytes: 0 });
  const image = (): void => {
    const copy = join(base, `image ${images.length}`);
    cpSync(dir, copy, { recursive: true });
    images.push(copy);
  };
  const texts = async (erasable: string): Promise<string[]> =>
    (await openDeleted({ images: [...images, dir], now: dir, erasable, masterKey: key() }))
      .map(({ plain }) => plain.toString())
      .filter((text) => text.startsWith("secret"))
      .toSorted();

  it("makes what was deleted, replaced or over unreadable in every copy, and leaves what lives", async () => {
    let store = await open();
    await put(store, "account", "an account", "secret account");
    await put(store, "issuerKey", "a key", "secret key of an epoch");
    await put(store, "receipt", "a receipt", "secret receipt", 7);
    await put(store, "queue", "a queue", "secret chain, older");
    await put(store, "queue", "alive", "lives on");
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        for (let i = 1; i <= 3; i++) tx.putAt("queueItem", bytes("a queue"), i, bytes(`secret message ${i}`));
      }),
    );
    await store.close();
    image();
    store = await open();
    await put(store, "queue", "a queue", "secret chain, newer");
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        tx.delete("account", bytes("an account"));
        tx.delete("issuerKey", bytes("a key"));
        tx.deleteRange("queueItem", bytes("a queue"), 1, 4);
      }),
    );
    await store.dropPartition("receipt", 7);
    await put(store, "queue", "a queue", "lives as well");
    await store.close();
    image();
    // the control: before the turn, and with the keys of then
    const all = ["secret account", "secret chain, newer", "secret chain, older", "secret key of an epoch"];
    all.push("secret message 1", "secret message 2", "secret message 3", "secret receipt");
    assert.deepEqual(await texts(join(dir, "erasable")), all);

    store = await open();
    await store.erase();
    assert.equal(await get(store, "alive"), "lives on");
    await store.close();
    image();
    assert.deepEqual(await texts(join(dir, "erasable")), []);
    assert.deepEqual(await texts(join(images[1]!, "erasable")), all);
    store = await open();
    assert.equal(await get(store, "alive"), "lives on");
    assert.equal(await get(store, "a queue"), "lives as well");
    await store.close();
  });

  it("loses nothing of what is written, replaced and deleted meanwhile, in any order", async function () {
    this.timeout(60_000);
    let store = await open();
    const expected = new Map<string, string>();
    for (let round = 0; round < 6; round++) {
      let going = true;
      const writing = Promise.all(
        Array.from({ length: 8 }, async (_, writer) => {
          for (let i = 0; going || i < 20; i++) {
            const name = `${writer} ${i % 50}`;
            await withArena((arena) =>
              store.transact(arena, async (tx) => {
                await tx.lock("queue", bytes(name));
                await tx.get("queue", bytes(name));
                await new Promise(setImmediate);
                if (i % 7 === 3) tx.delete("queue", bytes(name));
                else tx.put("queue", bytes(name), bytes(`${round} ${i} ${"x".repeat(300)}`));
              }),
            );
            if (i % 7 === 3) expected.delete(name);
            else expected.set(name, `${round} ${i} ${"x".repeat(300)}`);
            assert.equal(await get(store, name), expected.get(name));
          }
        }),
      );
      await store.erase();
      going = false;
      await writing;
      await store.close();
      store = await open(); // a full check of the head's digest
      for (const [name, value] of expected) assert.equal(await get(store, name), value);
    }
    await store.close();
  });

  it("interrupted by the end of the house, is made up for", async () => {
    let store = await open();
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        for (let i = 0; i < 2000; i++) tx.put("queue", bytes(`${i}`), bytes(`value ${i}`));
      }),
    );
    await put(store, "queue", "gone", "secret");
    await withArena((arena) => store.transact(arena, async (tx) => tx.delete("queue", bytes("gone"))));
    const erasing = store.erase();
    await store.close();
    await assert.rejects(erasing, { code: "store/closed" });
    image();
    store = await open();
    assert.equal(await get(store, "17"), "value 17");
    await store.close();
    assert.deepEqual(await texts(join(dir, "erasable")), ["secret"], "not yet");
    store = await open();
    // written under the key that the interrupted turn made
    await put(store, "queue", "later", "secret, later");
    await withArena((arena) => store.transact(arena, async (tx) => tx.delete("queue", bytes("later"))));
    await store.close();
    image();
    store = await open();
    await store.erase();
    await assert.doesNotReject(store.erase());
    await store.close();
    assert.deepEqual(await texts(join(dir, "erasable")), []);
    store = await open();
    for (const i of [0, 1, 999, 1999]) assert.equal(await get(store, `${i}`), `value ${i}`);
    await store.close();
  });

  it("waits for work that sealed before it began", async () => {
    const store = storeOver(new MemoryDriver());
    await put(store, "queue", "a", "1");
    let finish = (): void => {};
    const paused = new Promise<void>((resolve) => (finish = resolve));
    const slow = withArena((arena) =>
      store.transact(arena, async (tx) => {
        tx.put("queue", bytes("slow"), bytes("sealed early"));
        await paused;
      }),
    );
    const erasing = store.erase();
    await put(store, "queue", "b", "2");
    finish();
    await Promise.all([slow, erasing]);
    assert.equal(await get(store, "slow"), "sealed early");
    assert.equal(await get(store, "b"), "2");
  });

  it("does nothing where nothing has changed, and all of it again where something has", async () => {
    const driver = new MemoryDriver();
    const store = storeOver(driver);
    await put(store, "queue", "a", "1");
    await store.erase();
    const { commits } = driver;
    await store.erase();
    assert.equal(driver.commits, commits);
    await put(store, "queue", "b", "1");
    await store.erase();
    assert.equal(driver.commits, commits + 2);
  });

  it("fails without harm when a write fails, and is done by the next", async () => {
    const driver = new MemoryDriver();
    const store = storeOver(driver);
    await put(store, "queue", "a", "1");
    for (const fail of ["before", "after"] as const) {
      await put(store, "queue", "b", fail);
      driver.fail = fail;
      await assert.rejects(store.erase(), { code: "store/write" });
      assert.equal(await get(store, "a"), "1");
      await store.erase().catch(() => store.erase());
      assert.equal(await get(store, "a"), "1");
      assert.equal(await get(store, "b"), fail);
    }
    await store.close();
  });
});
