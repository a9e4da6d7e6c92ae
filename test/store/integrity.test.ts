// Damage of every kind to the files, with LevelDB alone as the control: what it loses in silence, the store must see.
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../src/store/driver.ts";
import { Erasable } from "../../src/store/erasable.ts";
import { readIdentity } from "../../src/store/identity.ts";
import { Journal } from "../../src/store/journal.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { Sealing } from "../../src/store/sealing.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { bytes, key, picture, temporary, withArena } from "./harness.ts";

const RECORDS = 300;
// An older state that is whole in itself: whoever wants one makes it like this, and chance does as well.
const SET_BACK = "store/rolled-back";
const open = (dir: string): Promise<Store> => openStore({ dir, masterKey: key() });

const write = (store: Store, from: number, to: number, value = "v"): Promise<unknown> =>
  Promise.all(
    Array.from({ length: to - from }, (_, i) =>
      withArena((arena) =>
        store.transact(arena, async (tx) =>
          Promise.resolve(tx.put("queue", bytes(`record ${from + i}`), bytes(value.repeat(500)))),
        ),
      ),
    ),
  );

/** The newest file of a kind in the database. */
const file = (dir: string, pattern: RegExp): string => {
  const found = readdirSync(join(dir, "db")).filter((name) => pattern.test(name));
  return join(dir, "db", found.toSorted().at(-1)!);
};
const flip = (path: string, at: number): void => {
  const contents = readFileSync(path);
  contents[at]! ^= 0xff;
  writeFileSync(path, contents);
};

function sealingOf(dir: string): Sealing {
  const id = readIdentity(join(dir, "identity"), key());
  return new Sealing(key(), id, new Erasable(join(dir, "erasable"), key(), id));
}

/** Every record LevelDB gives out by itself. */
async function raw(dir: string, change?: { put?: Entry; remove?: Buffer }): Promise<Entry[]> {
  const driver = await openLevel({ dir: join(dir, "db") });
  try {
    if (change?.put) await driver.commit([change.put]);
    if (change?.remove) await driver.commit([{ key: change.remove, value: undefined }]);
    return await driver.range(Buffer.alloc(0), Buffer.alloc(25, 0xff), Infinity);
  } finally {
    await driver.close();
  }
}

describe("store/inspect", () => {
  let dir: string;
  let whole: string;
  let remove: () => void;
  let journal: Journal;
  let lastBatch: number;

  // Half of the records in a table, half in the log.
  before(async () => {
    const base = temporary();
    whole = join(base.dir, "whole");
    await createStore({ dir: whole, masterKey: key() });
    for (const [from, to] of [
      [0, RECORDS / 2],
      [RECORDS / 2, RECORDS],
    ] as const) {
      const store = await open(whole);
      for (let at = from; at < to; at += 10) await write(store, at, at + 10);
      await store.close();
    }
    dir = join(base.dir, "copy");
    cpSync(whole, dir, { recursive: true });
    journal = new Journal(key(), readIdentity(join(whole, "identity"), key()));
    lastBatch = head(await raw(dir));
    remove = base.remove;
  });
  beforeEach(() => {
    rmSync(dir, { recursive: true, force: true });
    cpSync(whole, dir, { recursive: true });
  });
  after(() => remove());

  const head = (entries: Entry[]): number =>
    journal.open(entries.find((entry) => entry.key.equals(journal.key))?.value).batch;

  /** Refused, nothing changed; then what LevelDB by itself makes of it. */
  async function refusedAndSilentlyLost(code = "store/corrupt"): Promise<Entry[]> {
    const before = picture(dir);
    await assert.rejects(open(dir), { code });
    assert.deepEqual(picture(dir), before);
    const left = await raw(dir);
    assert.ok(left.length < RECORDS + 1, "the control must lose something");
    return left;
  }

  it("opens what is whole, and keeps it so", async () => {
    assert.ok(statSync(file(dir, /\.log$/)).size > 50_000 && existsSync(file(dir, /\.ldb$/)));
    mkdirSync(join(dir, "inspect-left"));
    for (let i = 0; i < 6; i++) {
      const store = await open(dir);
      await write(store, 0, 1, "again");
      await store.close();
    }
    assert.equal((await raw(dir)).length, RECORDS + 1);
    assert.deepEqual(readdirSync(dir).toSorted(), ["anchor", "db", "erasable", "identity"]);
  });

  it("notices a log that was cut", async () => {
    const log = file(dir, /\.log$/);
    truncateSync(log, Math.floor(statSync(log).size / 2));
    await refusedAndSilentlyLost(SET_BACK);
  });

  it("notices a log whose last batch is missing", async () => {
    const log = file(dir, /\.log$/);
    truncateSync(log, statSync(log).size - 1);
    await refusedAndSilentlyLost(SET_BACK);
  });

  it("notices a log with one byte flipped, though the last batch is there", async () => {
    const log = file(dir, /\.log$/);
    flip(log, Math.floor(statSync(log).size / 2));
    const left = await refusedAndSilentlyLost();
    // A head record that only counted batches would have seen nothing missing.
    assert.equal(head(left), lastBatch);
  });

  it("notices a log that is gone", async () => {
    rmSync(file(dir, /\.log$/));
    await refusedAndSilentlyLost(SET_BACK);
  });

  it("notices a cut MANIFEST, before the table it no longer lists is deleted", async () => {
    // More than LevelDB keeps in memory, so that it writes a table out and lists it while it runs.
    rmSync(dir, { recursive: true });
    await createStore({ dir, masterKey: key() });
    const store = await open(dir);
    const manifest = file(dir, /^MANIFEST/);
    const log = file(dir, /\.log$/);
    for (let i = 0; i < 18; i++) await write(store, i, i + 1, "x".repeat(2000));
    while (existsSync(log)) await new Promise((resolve) => setTimeout(resolve, 20));
    await store.close();
    truncateSync(manifest, statSync(manifest).size - 10);
    await refusedAndSilentlyLost();
  });

  it("notices a table that is gone or whose key has changed", async () => {
    const table = file(dir, /\.ldb$/);
    const contents = readFileSync(table);
    const inTable = (await raw(dir)).find(
      ({ key: name }) => !name.equals(journal.key) && contents.includes(name.subarray(4, 20)),
    )!;
    rmSync(dir, { recursive: true });
    cpSync(whole, dir, { recursive: true });
    flip(table, contents.indexOf(inTable.key.subarray(4, 20)) + 3);
    const before = picture(dir);
    await assert.rejects(open(dir), { code: "store/corrupt" });
    assert.deepEqual(picture(dir), before);
    assert.equal((await raw(dir)).filter(({ key: name }) => name.equals(inTable.key)).length, 0);
    rmSync(dir, { recursive: true });
    cpSync(whole, dir, { recursive: true });
    rmSync(table);
    await assert.rejects(open(dir), { code: "store/corrupt" });
  });

  it("refuses a value changed in a table when it is read", async () => {
    const sealing = sealingOf(dir);
    const table = file(dir, /\.ldb$/);
    const name = sealing.point("queue", bytes("record 3"), undefined);
    const value = (await raw(dir)).find((entry) => entry.key.equals(name))!.value;
    rmSync(dir, { recursive: true });
    cpSync(whole, dir, { recursive: true });
    flip(table, readFileSync(table).indexOf(value.subarray(100, 140)));
    const store = await open(dir);
    const read = (record: string): Promise<Buffer | undefined> =>
      withArena((arena) => store.read(arena, (view) => view.get("queue", bytes(record))));
    await assert.rejects(read("record 3"), { code: "store/corrupt" });
    assert.equal((await read("record 4"))?.length, 500);
    await store.close();
  });

  it("notices a record set back, brought back, added or taken away under the newest head", async () => {
    const sealing = sealingOf(dir);
    const older = await raw(dir);
    const store = await open(dir);
    await write(store, 0, 1, "new");
    await withArena((arena) =>
      store.transact(arena, async (tx) => Promise.resolve(tx.delete("queue", bytes("record 1")))),
    );
    await store.close();
    const of = (record: number): Entry => {
      const name = sealing.point("queue", bytes(`record ${record}`), undefined);
      return older.find((entry) => entry.key.equals(name))!;
    };
    const next = join(dir, "..", "next");
    cpSync(dir, next, { recursive: true });
    const changes = {
      nothing: {},
      "set back": { put: of(0) },
      "brought back": { put: of(1) },
      added: { put: { key: Buffer.alloc(24, 1), value: of(2).value } },
      "taken away": { remove: of(2).key },
    };
    for (const [what, change] of Object.entries(changes)) {
      rmSync(dir, { recursive: true });
      cpSync(next, dir, { recursive: true });
      await raw(dir, change);
      if (what === "nothing") await (await open(dir)).close();
      else await assert.rejects(open(dir), { code: "store/corrupt" }, what);
    }
    // The seal alone would not have told: the older value still opens at its place.
    await withArena(async (arena) => {
      assert.equal(sealing.open("queue", of(0).key, of(0).value, arena).length, 500);
      return Promise.resolve();
    });
  });

  it("notices a directory set back behind the anchor, but not one set back together with it", async () => {
    const store = await open(dir);
    await write(store, 0, 1, "new");
    await store.close();
    rmSync(join(dir, "db"), { recursive: true });
    cpSync(join(whole, "db"), join(dir, "db"), { recursive: true });
    const before = picture(dir);
    await assert.rejects(open(dir), { code: SET_BACK });
    assert.deepEqual(picture(dir), before);
    cpSync(join(whole, "anchor"), join(dir, "anchor"));
    await (await open(dir)).close();
  });

  it("lives with one torn slot of the anchor, not with two, nor with another store's", async () => {
    flip(join(dir, "anchor"), 30);
    await (await open(dir)).close();
    flip(join(dir, "anchor"), 4096 + 30);
    await assert.rejects(open(dir), { code: SET_BACK });
    const other = temporary();
    await createStore({ dir: join(other.dir, "o"), masterKey: key() });
    cpSync(join(other.dir, "o", "anchor"), join(dir, "anchor"));
    await assert.rejects(open(dir), { code: SET_BACK });
    other.remove();
  });
});
