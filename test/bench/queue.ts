// Messages into queues and out of them again, beside sealed durable appends without a queue; memory of idle queues.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sealInto, SEAL_OVERHEAD } from "../../src/crypto/aead.ts";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { lockedAlloc } from "../../src/memory/locked.ts";
import type { Call } from "../../src/services/ports.ts";
import { makeQueueService } from "../../src/services/queue/service.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { createStore, openStore } from "../../src/store/store.ts";

export const describe =
  "enqueue and dequeue of 1 KiB messages per second at 1 and 64 queues, beside one sealed durable append through the store and through LevelDB alone; memory of 100,000 idle queues";

const ITEM = 1024;
const NOW = 1_800_000_000;
const QUEUES = 64;
const IDLE = 100_000;
/** Messages of a reader's batch; a medium reply holds thirty of these. */
const BATCH = 30;
const ROUNDS = 5;
const ALONE = 300;
const EACH = 20;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Processor time of all threads so far; microseconds. It says the same on a busy machine, which the clock does not. */
const processorTime = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Microseconds of processor time that each of `count` takes in `work`, written into `out`. */
async function timed<T>(count: number, out: number[], work: () => Promise<T>): Promise<T> {
  const before = processorTime();
  const result = await work();
  out.push((processorTime() - before) / count);
  return result;
}

/** `count` times `work`, `width` at a time; per second. */
async function rate(count: number, width: number, work: (worker: number) => Promise<unknown>): Promise<number> {
  let left = count;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: width }, async (_, worker) => {
      while (left-- > 0) await work(worker);
    }),
  );
  return (count / (performance.now() - began)) * 1000;
}

async function openHouse(dir: string) {
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  const handleKey = new GuardedKey(32, (memory) => void randomFill(memory));
  await createStore({ dir, masterKey });
  const store = await openStore({ dir, masterKey, reserveBytes: 0 });
  const arenas = new ArenaPool();
  const { handlers, enqueue } = makeQueueService({ domain: randomBytes(32), handleKey });
  // A request's signature is the business of the benchmark `send`.
  async function asked<T>(work: (call: Call) => Promise<T>): Promise<T> {
    const arena = arenas.arena();
    const after: (() => void)[] = [];
    try {
      return await store.transact(arena, (tx) =>
        work({
          arena,
          tx,
          now: NOW,
          authenticate: () => {},
          afterCommit: (task) => after.push(task),
          waitFor: () => {},
        }),
      );
    } finally {
      arena.close();
      for (const task of after) task();
    }
  }
  return {
    create: async (): Promise<{ queueId: Buffer; handle: Buffer }> => {
      const secrets = { ownerKey: randomBytes(32), ratchetSecret: randomBytes(32), friendshipToken: randomBytes(32) };
      const queueId = await asked(async (call) =>
        Buffer.from((await handlers["qs.createQueue"](secrets, call)).queueId),
      );
      const handle = await asked(async (call) => {
        const { handles } = await handlers["qs.mintHandles"](
          { queueId, generation: 0, tags: [Buffer.alloc(16)] },
          call,
        );
        return Buffer.from(handles[0]!);
      });
      return { queueId, handle };
    },
    enqueue: (handle: Buffer, item: Buffer) => asked((call) => enqueue(call, [{ handles: [handle], item }])),
    /** Acknowledges and reads; the number of the last item, and how many there were. */
    read: (queueId: Buffer, acknowledge: number) =>
      asked(async (call) => {
        const { items } = await handlers["qs.read"]({ queueId, acknowledge, wait: 0 }, call);
        return { last: items.at(-1)?.sequence ?? acknowledge, count: items.length };
      }),
    /** What the store takes for one sealed record, numbered by the caller: no queue, no ratchet. */
    append: (row: Buffer, sequence: number, item: Buffer) =>
      asked(async (call) => call.tx.append("directItem", row, sequence, item)),
    async close(): Promise<void> {
      await store.close();
      masterKey.destroy();
      handleKey.destroy();
    },
  };
}
type House = Awaited<ReturnType<typeof openHouse>>;
type Queue = Awaited<ReturnType<House["create"]>>;

/** One seal and one synced batch each, as many at a time as there are queues. */
async function openFloor(dir: string) {
  const driver = await openLevel({ dir, create: true, reserveBytes: 0 });
  const key = lockedAlloc(32);
  const item = randomBytes(ITEM);
  const record = (): { key: Buffer; value: Buffer } => {
    const name = randomBytes(24);
    return { key: name, value: sealInto(Buffer.alloc(ITEM + SEAL_OVERHEAD), item, name, key) };
  };
  return {
    async append(count: number, width: number): Promise<number> {
      const batches = count / width;
      return (await rate(batches, 1, () => driver.commit(Array.from({ length: width }, record)))) * width;
    },
    close: () => driver.close(),
  };
}

/** Empties the queues; messages per second. */
async function drain(house: House, queues: readonly Queue[], positions: number[]): Promise<number> {
  let taken = 0;
  const began = performance.now();
  await Promise.all(
    queues.map(async ({ queueId }, i) => {
      for (let count = BATCH; count > 0;) {
        const read = await house.read(queueId, positions[i] ?? 0);
        positions[i] = read.last;
        count = read.count;
        taken += count;
      }
    }),
  );
  return (taken / (performance.now() - began)) * 1000;
}

async function idle(house: House, note: (text: string) => void) {
  globalThis.gc?.();
  const [before, began] = [process.memoryUsage(), performance.now()];
  await rate(IDLE, 256, () => house.create());
  note(`${IDLE} queues in ${Math.round((performance.now() - began) / 1000)} s`);
  globalThis.gc?.();
  const after = process.memoryUsage();
  const mib = (bytes: number): number => Math.round((bytes / 2 ** 20) * 10) / 10;
  return {
    idle_queues: IDLE,
    idle_rss_mib: mib(after.rss - before.rss),
    idle_heap_mib: mib(after.heapUsed + after.external - before.heapUsed - before.external),
    idle_bytes_per_queue: Math.round((after.rss - before.rss) / IDLE),
  };
}

export async function run({ json }: { json: boolean }): Promise<object> {
  const note = (text: string): void => {
    if (!json) console.log(text);
  };
  const dir = mkdtempSync(join(tmpdir(), "tacet-bench-"));
  const house = await openHouse(join(dir, "store"));
  const floor = await openFloor(join(dir, "floor"));
  try {
    const queues = await Promise.all(Array.from({ length: QUEUES }, () => house.create()));
    const positions = queues.map(() => 0);
    const [first] = queues;
    const item = randomBytes(ITEM);
    const rows = queues.map(() => randomBytes(16));
    let sequence = 0;
    const append = (worker: number) => house.append(rows[worker]!, ++sequence, item);
    const runs = {
      floor1: [] as number[],
      append1: [] as number[],
      enqueue1: [] as number[],
      dequeue1: [] as number[],
      floor64: [] as number[],
      append64: [] as number[],
      enqueue64: [] as number[],
      dequeue64: [] as number[],
    };
    const [appendTime, enqueueTime]: [number[], number[]] = [[], []];
    // Interleaved, so that a noisy neighbour hits all of them; the first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      const results = {
        floor1: await floor.append(ALONE, 1),
        append1: await rate(ALONE, 1, append),
        enqueue1: await rate(ALONE, 1, () => house.enqueue(first!.handle, item)),
        dequeue1: await drain(house, queues.slice(0, 1), positions),
        floor64: await floor.append(EACH * QUEUES, QUEUES),
        append64: await timed(EACH * QUEUES, appendTime, () => rate(EACH * QUEUES, QUEUES, append)),
        enqueue64: await timed(EACH * QUEUES, enqueueTime, () =>
          rate(EACH * QUEUES, QUEUES, (worker) => house.enqueue(queues[worker]!.handle, item)),
        ),
        dequeue64: await drain(house, queues, positions),
      };
      if (round === 0) continue;
      for (const [name, value] of Object.entries(results)) runs[name as keyof typeof runs].push(value);
    }
    const of = (name: keyof typeof runs): number => Math.round(median(runs[name]));
    const ratio = (name: keyof typeof runs, floorName: keyof typeof runs): number =>
      Math.round((of(name) / of(floorName)) * 100) / 100;
    const figures = {
      level_per_second_1: of("floor1"),
      append_per_second_1: of("append1"),
      enqueue_per_second_1: of("enqueue1"),
      dequeue_per_second_1: of("dequeue1"),
      level_per_second_64: of("floor64"),
      append_per_second_64: of("append64"),
      enqueue_per_second_64: of("enqueue64"),
      dequeue_per_second_64: of("dequeue64"),
      enqueue_ratio_1: ratio("enqueue1", "append1"),
      enqueue_ratio_64: ratio("enqueue64", "append64"),
      enqueue_ratio_64_level: ratio("enqueue64", "floor64"),
      append_processor_us_64: Math.round(median(appendTime.slice(1))),
      enqueue_processor_us_64: Math.round(median(enqueueTime.slice(1))),
      dequeue_ratio_64: ratio("dequeue64", "append64"),
      ...(await idle(house, note)),
    };
    if (!json) console.table(figures);
    return figures;
  } finally {
    await house.close();
    await floor.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
