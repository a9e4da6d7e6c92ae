import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "../../src/crypto/random.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { auditStore } from "../../src/store/audit.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";

describe("store/audit", () => {
  let folder: string;
  let dir: string;
  let store: Store | undefined;
  const masterKey = new GuardedKey(32, (memory) => memory.fill(3));
  const arenas = new ArenaPool([[64 << 10, 4]]);
  const write = async (count: number): Promise<void> => {
    const arena = arenas.arena();
    try {
      await store!.transact(arena, async (tx) => {
        for (let i = 0; i < count; i++) tx.put("account", randomBytes(16), Buffer.alloc(10 + i * 3, "a"));
      });
    } finally {
      arena.close();
    }
  };
  const state = (): Record<string, number> =>
    Object.fromEntries(readdirSync(join(dir, "db")).map((name) => [name, statSync(join(dir, "db", name)).mtimeMs]));

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "tacet-audit-test-"));
    dir = join(folder, "state");
    await createStore({ dir, masterKey });
    store = await openStore({ dir, masterKey, reserveBytes: 0 });
  });
  afterEach(async () => {
    await store?.close();
    store = undefined;
    rmSync(folder, { recursive: true });
  });
  after(() => masterKey.destroy());

  it("finds nothing in a store in use, changes none of its files, and finds what it planted", async () => {
    await write(30);
    const before = state();
    const { findings, records, lengths, planted, plantedFound } = await auditStore(dir);
    assert.deepEqual(findings, []);
    assert.deepEqual(state(), before);
    assert.ok(records > 30);
    assert.ok(lengths.length < 10, "lengths are few");
    assert.deepEqual([planted, plantedFound], [4, 4]);
    await write(1); // the house still holds its database
  });

  it("control: finds records in the clear, lengths as they are, readable text and strange files", async () => {
    await write(3);
    await store!.close();
    store = undefined;
    const driver = await openLevel({ dir: join(dir, "db"), reserveBytes: 0 });
    await driver.commit([
      { key: randomBytes(24), value: Buffer.alloc(108) },
      { key: randomBytes(24), value: randomBytes(107) },
    ]);
    await driver.close();
    const [log] = readdirSync(join(dir, "db")).filter((name) => name.endsWith(".log"));
    appendFileSync(join(dir, "db", log!), randomBytes(10));
    writeFileSync(join(dir, "notes"), "something");
    writeFileSync(
      join(dir, "identity"),
      Buffer.concat([readFileSync(join(dir, "identity")), Buffer.alloc(40, "readable ")]),
    );
    const { findings } = await auditStore(dir);
    assert.equal(findings.length, 4, findings.join("; "));
  });

  it("says that there is nothing where nothing is", async () => {
    await assert.rejects(auditStore(folder), { code: "store/missing" });
  });
});
