import assert from "node:assert/strict";
import { copyFileSync, cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ArenaPool } from "../../src/memory/arena.ts";
import { backUp } from "../../src/store/backup.ts";
import { openRolledBack } from "../../src/store/rollback.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { openDeleted } from "./deleted.ts";
import { bytes, key, picture, temporary, withArena } from "./harness.ts";

const arenas = new ArenaPool([[16 << 10, 4]]);
const rolledBack = { code: "store/rolled-back" };
const put = (store: Store, name: string, value: string): Promise<void> =>
  withArena((arena) => store.transact(arena, async (tx) => tx.put("queue", bytes(name), bytes(value))));
const remove = (store: Store, name: string): Promise<void> =>
  withArena((arena) => store.transact(arena, async (tx) => tx.delete("queue", bytes(name))));
const get = (store: Store, name: string): Promise<string | undefined> =>
  withArena((arena) => store.read(arena, async (view) => (await view.get("queue", bytes(name)))?.toString()));

describe("store/rollback", () => {
  let base: string;
  let dir: string;
  let apart: string;
  let end: () => void;
  beforeEach(async () => {
    ({ dir: base, remove: end } = temporary());
    [dir, apart] = [join(base, "store"), join(base, "apart")];
    await createStore({ dir, apart, masterKey: key() });
  });
  afterEach(() => end());

  const place = () => ({ dir, apart, masterKey: key(), reserveBytes: 0 });
  const write = async (name: string, value: string): Promise<void> => {
    const store = await openStore(place());
    await put(store, name, value);
    await store.close();
  };
  const image = (): string => {
    const copy = join(base, `image ${readdirSync(base).length}`);
    cpSync(dir, copy, { recursive: true });
    return copy;
  };
  const setBack = (to: string): void => {
    rmSync(dir, { recursive: true });
    cpSync(to, dir, { recursive: true });
  };

  it("of the whole folder is refused while the anchor lies apart, until it is accepted", async () => {
    await write("a", "spent once");
    const older = image();
    await write("a", "spent twice");
    setBack(older);
    const before = picture(base);
    await assert.rejects(openStore(place()), rolledBack);
    assert.deepEqual(picture(base), before);

    const opened = await openRolledBack(place());
    await opened.changeAll(arenas, (room, plain) =>
      room === "queue" && plain.equals(bytes("spent once")) ? bytes("burnt") : undefined,
    );
    opened.accept();
    await opened.store.close();
    const store = await openStore(place());
    assert.equal(await get(store, "a"), "burnt");
    await store.close();
    await assert.rejects(openRolledBack(place()), { code: "store/not-rolled-back" });
    // and what is set back now is refused like before
    setBack(older);
    await assert.rejects(openStore(place()), rolledBack);
  });

  it("of folder and anchor together is not noticed: so they can lie apart", async () => {
    const both = join(base, "both");
    const together = { dir: both, masterKey: key(), reserveBytes: 0 };
    await createStore(together);
    let store = await openStore(together);
    await put(store, "a", "1");
    await store.close();
    cpSync(both, join(base, "older"), { recursive: true });
    store = await openStore(together);
    await put(store, "a", "2");
    await store.close();
    rmSync(both, { recursive: true });
    cpSync(join(base, "older"), both, { recursive: true });
    store = await openStore(together);
    assert.equal(await get(store, "a"), "1");
    await store.close();
  });

  it("stays refused when accepting it is interrupted, whatever was changed by then", async () => {
    await write("a", "1");
    const older = image();
    for (let i = 0; i < 3; i++) await write("a", "2");
    setBack(older);
    const opened = await openRolledBack(place());
    for (let i = 0; i < 9; i++) await put(opened.store, "b", `${i}`); // further than the anchor was
    await opened.store.close();
    await assert.rejects(openStore(place()), rolledBack);
    const again = await openRolledBack(place());
    await put(again.store, "b", "whole");
    again.accept();
    await again.store.close();
    const store = await openStore(place());
    assert.equal(await get(store, "b"), "whole");
    await store.close();
  });

  it("to before a turn opens nothing, accepted or not", async () => {
    await write("a", "1");
    const older = image();
    const store = await openStore(place());
    await store.erase();
    await store.close();
    const anchorOfThen = readdirSync(apart).includes("anchor");
    assert.ok(anchorOfThen);
    setBack(older);
    await assert.rejects(openStore(place()), rolledBack);
    await assert.rejects(openRolledBack(place()), { code: "store/erased" });
  });

  it("that loses the anchor is refused too", async () => {
    await write("a", "1");
    rmSync(join(apart, "anchor"));
    await assert.rejects(openStore(place()), rolledBack);
    const opened = await openRolledBack(place());
    await put(opened.store, "b", "2");
    opened.accept();
    await opened.store.close();
    await (await openStore(place())).close();
  });

  it("changes, deletes and keeps records of any kind, and the head agrees", async () => {
    const first = await openStore(place());
    await withArena((arena) =>
      first.transact(arena, async (tx) => {
        for (let i = 1; i < 600; i++) tx.putAt("queueItem", bytes("row"), i, bytes(`item ${i}`));
        tx.put("receipt", bytes("r"), bytes("kept"), { partition: 3 });
        tx.put("issuerKey", bytes("k"), bytes("secret"));
      }),
    );
    await first.close();
    rmSync(join(apart, "anchor"));
    const opened = await openRolledBack(place());
    const seen = new Map<string, number>();
    await opened.changeAll(arenas, (room) => {
      seen.set(room, (seen.get(room) ?? 0) + 1);
      return room === "queueItem" ? null : undefined;
    });
    assert.deepEqual(Object.fromEntries(seen), { issuerKey: 1, queueItem: 599, receipt: 1 });
    opened.accept();
    await opened.store.close();
    const store = await openStore(place());
    await withArena((arena) =>
      store.read(arena, async (view) => {
        assert.deepEqual(await view.range("queueItem", bytes("row"), 0, 1000, 1000), []);
        assert.equal((await view.get("receipt", bytes("r"), { partition: 3 }))?.toString(), "kept");
      }),
    );
    await store.close();
  });
});

describe("store/backup", () => {
  let base: string;
  let dir: string;
  let copy: string;
  let end: () => void;
  beforeEach(async () => {
    ({ dir: base, remove: end } = temporary());
    [dir, copy] = [join(base, "store"), join(base, "copy")];
    await createStore({ dir, masterKey: key() });
  });
  afterEach(() => end());
  const place = () => ({ dir, masterKey: key(), reserveBytes: 0 });

  it("is whole, refuses a store in use and a folder that is not empty, and opens as a rollback only", async () => {
    const store = await openStore(place());
    for (let i = 0; i < 50; i++) await put(store, `${i}`, `value ${i}`);
    await assert.rejects(backUp(place(), copy), { code: "store/locked" });
    await store.close();
    await backUp(place(), copy);
    await assert.rejects(backUp(place(), copy), { code: "store/exists" });
    assert.deepEqual(readdirSync(copy).toSorted(), ["db", "erasable", "identity"]);
    await assert.rejects(openStore({ ...place(), dir: copy }), rolledBack);
    const opened = await openRolledBack({ ...place(), dir: copy });
    for (let i = 0; i < 50; i++) assert.equal(await get(opened.store, `${i}`), `value ${i}`);
    await put(opened.store, "burnt", "yes");
    opened.accept();
    await opened.store.close();
    await (await openStore({ ...place(), dir: copy })).close();
  });

  it("holds nothing that was deleted before, and its key opens nothing of the store's", async () => {
    let store = await openStore(place());
    await put(store, "before", "secret before");
    await put(store, "later", "secret later");
    await store.close();
    const image = join(base, "image");
    cpSync(dir, image, { recursive: true });
    store = await openStore(place());
    await remove(store, "before");
    await store.close();
    await backUp(place(), copy);
    store = await openStore(place());
    await remove(store, "later");
    await store.erase();
    await store.close();
    const opened = async (images: string[], erasable: string): Promise<string[]> =>
      (await openDeleted({ images, now: dir, erasable, masterKey: key() })).map(({ plain }) => plain.toString());
    assert.deepEqual(await opened([image, dir], join(copy, "erasable")), []);
    // the copy keeps what lived when it was made, as long as its key is kept
    assert.deepEqual(await opened([copy], join(copy, "erasable")), ["secret later"]);
    assert.deepEqual(await opened([copy, image, dir], join(dir, "erasable")), []);
    // the control
    assert.deepEqual((await opened([image], join(image, "erasable"))).toSorted(), ["secret before", "secret later"]);
    copyFileSync(join(dir, "erasable"), join(copy, "erasable"));
    await assert.rejects(openRolledBack({ ...place(), dir: copy }), { code: "store/erased" });
  });
});
