import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLevel } from "../../src/store/level-driver.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { bytes, key, picture, temporary, withArena } from "./harness.ts";

const put = (store: Store, name: string): Promise<void> =>
  withArena((arena) => store.transact(arena, async (tx) => Promise.resolve(tx.put("queue", bytes(name), bytes("v")))));

describe("store/store: opening", () => {
  let dir: string;
  let remove: () => void;
  beforeEach(async () => {
    ({ dir, remove } = temporary());
    await createStore({ dir, masterKey: key() });
  });
  afterEach(() => remove());

  it("refuses a missing store and makes nothing", async () => {
    const empty = join(dir, "..", "tacet-store-none");
    await assert.rejects(openStore({ dir: empty, masterKey: key() }), { code: "store/missing" });
    assert.equal(existsSync(empty), false);
    const other = temporary();
    await assert.rejects(openStore({ dir: other.dir, masterKey: key() }), { code: "store/missing" });
    assert.deepEqual(readdirSync(other.dir), []);
    other.remove();
  });

  it("refuses a wrong key without changing a file", async () => {
    const store = await openStore({ dir, masterKey: key() });
    await put(store, "a");
    await store.close();
    const before = picture(dir);
    await assert.rejects(openStore({ dir, masterKey: key(8) }), { code: "store/wrong-key" });
    assert.deepEqual(picture(dir), before);
    await (await openStore({ dir, masterKey: key() })).close();
    assert.notDeepEqual(picture(dir), before, "opening does change files, so the comparison above sees changes");
  });

  it("refuses a damaged identity, a lost anchor, lost erasable keys and a lost CURRENT without changing a file", async () => {
    const damage: Record<string, [code: string, work: () => void]> = {
      identity: ["store/corrupt", () => writeFileSync(join(dir, "identity"), Buffer.alloc(80))],
      anchor: ["store/rolled-back", () => rmSync(join(dir, "anchor"))],
      erasable: ["store/erased", () => rmSync(join(dir, "erasable"))],
      current: ["store/corrupt", () => rmSync(join(dir, "db", "CURRENT"))],
      database: ["store/corrupt", () => rmSync(join(dir, "db"), { recursive: true })],
    };
    for (const [name, [code, work]] of Object.entries(damage)) {
      rmSync(dir, { recursive: true });
      await createStore({ dir, masterKey: key() });
      work();
      const before = picture(dir);
      await assert.rejects(openStore({ dir, masterKey: key() }), { code }, name);
      assert.deepEqual(picture(dir), before, name);
    }
  });

  it("creates only where there is nothing", async () => {
    const before = picture(dir);
    await assert.rejects(createStore({ dir, masterKey: key() }), { code: "store/exists" });
    assert.deepEqual(picture(dir), before);
    const other = temporary();
    mkdirSync(join(other.dir, "db"));
    await assert.rejects(createStore({ dir: other.dir, masterKey: key() }), { code: "store/exists" });
    other.remove();
  });

  it("is open once at a time, in this process and among others", async () => {
    const child = (): string =>
      execFileSync(process.execPath, ["--import", "tsx", join(import.meta.dirname, "open-child.ts"), dir], {
        encoding: "utf8",
      }).trim();
    const store = await openStore({ dir, masterKey: key() });
    for (let i = 0; i < 2; i++) {
      await assert.rejects(openStore({ dir, masterKey: key() }), { code: "store/locked" });
      assert.equal(child(), "store/locked");
    }
    // LevelDB's own lock is what counts: it holds where the look at /proc/locks sees nothing.
    await assert.rejects(openLevel({ dir: join(dir, "db") }), { code: "store/locked" });
    await put(store, "still working");
    await store.close();
    assert.equal(child(), "opened");
  });
});
