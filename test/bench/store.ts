// Durable sealed appends per second, beside what LevelDB alone does with the same bytes in the same run.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "../../src/crypto/random.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";

export const describe =
  "durable sealed appends per second at 1 and 64 writers, beside synced LevelDB batches of the same bytes";

const VALUE = 1000; // bytes of plaintext an append
const SEALED = 1136; // what it becomes: padded to 1024 and 40, with its queue record's 64 and 40 beside it
const SECONDS = 2;

async function rate(writers: number, work: (writer: number) => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let done = 0;
  const one = async (_: unknown, writer: number): Promise<void> => {
    for (; performance.now() - began < SECONDS * 1000; done++) await work(writer);
  };
  await Promise.all(Array.from({ length: writers }, one));
  return Math.round((done / (performance.now() - began)) * 1000);
}

/** `writers` records a synced batch, one batch after the other: what an ideal coalescing writer would do. */
async function floor(dir: string, writers: number): Promise<number> {
  const driver = await openLevel({ dir, create: true });
  const value = randomBytes(SEALED);
  try {
    const batches = await rate(1, () =>
      driver.commit(Array.from({ length: writers }, () => ({ key: randomBytes(24), value }))),
    );
    return batches * writers;
  } finally {
    await driver.close();
  }
}

/** What the queuing service does for each message: lock the queue, read its record, write it, append the item. */
function appends(store: Store, pool: ArenaPool, writers: number, queues: number): Promise<number> {
  const names = Array.from({ length: queues }, () => randomBytes(16));
  const item = randomBytes(VALUE);
  return rate(writers, async (writer) => {
    const arena = pool.arena();
    const name = names[writer % queues]!;
    try {
      await store.transact(arena, async (tx) => {
        await tx.lock("queue", name);
        const next = ((await tx.get("queue", name))?.readUInt32BE() ?? 0) + 1;
        const record = arena.take(4);
        record.writeUInt32BE(next);
        tx.put("queue", name, record);
        tx.putAt("queueItem", name, next, item);
      });
    } finally {
      arena.close();
    }
  });
}

export async function run({ json }: { json: boolean }): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), "tacet-bench-"));
  const masterKey = new GuardedKey(32, (memory) => memory.fill(1));
  const figures: Record<string, number> = {};
  const note = (name: string, value: number): void => {
    figures[name] = value;
    if (!json) console.log(`${name.padEnd(24)} ${value}`);
  };
  try {
    note("floor_1", await floor(join(dir, "floor-1"), 1));
    note("floor_64", await floor(join(dir, "floor-64"), 64));
    await createStore({ dir: join(dir, "store"), masterKey });
    let store = await openStore({ dir: join(dir, "store"), masterKey });
    const pool = new ArenaPool([[16 << 10, 128]]);
    note("appends_1", await appends(store, pool, 1, 1));
    note("appends_64_one_queue", await appends(store, pool, 64, 1));
    note("appends_64_queues", await appends(store, pool, 64, 64));
    await store.close();
    const began = performance.now();
    store = await openStore({ dir: join(dir, "store"), masterKey });
    note("open_ms", Math.round(performance.now() - began));
    const turning = performance.now();
    await store.erase(); // all that lives is read and written anew
    note("turn_ms", Math.round(performance.now() - turning));
    await store.close();
    note("ratio_1", figures["appends_1"]! / figures["floor_1"]!);
    note("ratio_64", figures["appends_64_queues"]! / figures["floor_64"]!);
    return figures;
  } finally {
    masterKey.destroy();
    rmSync(dir, { recursive: true });
  }
}
