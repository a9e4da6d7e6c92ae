// Spending on the real store: durable and exactly once at 64 clients, and what a million spent tokens cost in memory.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes, randomFill } from "../../../src/crypto/random.ts";
import { ArenaPool } from "../../../src/memory/arena.ts";
import { GuardedKey } from "../../../src/memory/guarded-key.ts";
import { LockedKey } from "../../../src/memory/locked-key.ts";
import { createStore, openStore, type Store } from "../../../src/store/store.ts";
import { epochOf } from "../../../tokens/epochs.ts";
import type { IssuerKeys } from "../../../tokens/keys.ts";
import type { SpentSet } from "../../../tokens/holds.ts";
import { Redeemer } from "../../../tokens/redeemer.ts";
import { NOW, ORIGIN } from "./batches.ts";

const CLIENTS = 64;
const MILLION = 1_000_000;
const AT_ONCE = 500;

async function withStore<T>(work: (store: Store, arenas: ArenaPool) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "tacet-bench-"));
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  try {
    await createStore({ dir: join(dir, "store"), masterKey });
    const store = await openStore({ dir: join(dir, "store"), masterKey, reserveBytes: 0 });
    try {
      return await work(store, new ArenaPool());
    } finally {
      await store.close();
    }
  } finally {
    masterKey.destroy();
    rmSync(dir, { recursive: true, force: true });
  }
}

const spentSet = (store: Store, arenas: ArenaPool): SpentSet => ({
  async lookup(epoch, name) {
    const arena = arenas.arena();
    try {
      const record = await store.read(arena, (view) => view.get("spent", name, { partition: epoch }));
      return record === undefined ? undefined : Buffer.from(record);
    } finally {
      arena.close();
    }
  },
});

async function inArena(
  arenas: ArenaPool,
  work: (arena: ReturnType<ArenaPool["arena"]>) => Promise<void>,
): Promise<void> {
  const arena = arenas.arena();
  try {
    await work(arena);
  } finally {
    arena.close();
  }
}

/** Tokens a second that 64 clients spend for good, each token shown twice; throws when one passes twice or not at all. */
export const spendTogether = (keys: IssuerKeys, tokens: readonly Buffer[]): Promise<number> =>
  withStore(async (store, arenas) => {
    const secret = new LockedKey(32, (memory) => void randomFill(memory));
    const redeemer = new Redeemer({ keys, origin: ORIGIN, spent: spentSet(store, arenas), secret, now: () => NOW });
    const spend = async (token: Buffer): Promise<void> => {
      const reservation = await redeemer.reserve(token, randomBytes(16), "deliver");
      const { epoch, name, binding } = reservation;
      try {
        await inArena(arenas, (arena) =>
          store.transact(arena, async (tx) => tx.put("spent", name, binding, { partition: epoch })),
        );
      } finally {
        reservation.release();
      }
    };
    const all = async (work: (token: Buffer) => Promise<void>): Promise<void> => {
      const queue = [...tokens];
      const client = async (): Promise<void> => {
        for (let token = queue.pop(); token !== undefined; token = queue.pop()) await work(token);
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
    };
    const began = performance.now();
    await all(spend);
    const rate = (tokens.length / (performance.now() - began)) * 1000;
    let refused = 0;
    await all((token) =>
      spend(token).catch((error: Error) => void (refused += Number(error.message === "token/spent"))),
    );
    if (refused !== tokens.length) throw new Error("a token was spent twice");
    secret.destroy();
    return rate;
  });

const mebi = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** MiB: all that is resident, what of it is not a mapped file, and the JavaScript heap. */
function memory() {
  const anonymous = /RssAnon:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  const { rss, heapUsed } = process.memoryUsage();
  return { rss: mebi(rss), anonymous: mebi(Number(anonymous) * 1024), heap: mebi(heapUsed) };
}

/** What the process holds as the spent set grows to a million records, and lookups a second in it. */
export const spendMillion = (note: (text: string) => void): Promise<object> =>
  withStore(async (store, arenas) => {
    const epoch = epochOf(NOW);
    const at: Record<string, ReturnType<typeof memory>> = { "0": memory() };
    const began = performance.now();
    for (let written = 0; written < MILLION; written += AT_ONCE) {
      await inArena(arenas, (arena) =>
        store.transact(arena, async (tx) => {
          for (let i = 0; i < AT_ONCE; i++) tx.put("spent", randomBytes(32), randomBytes(16), { partition: epoch });
        }),
      );
      if ((written + AT_ONCE) % (MILLION / 4) !== 0) continue;
      at[String(written + AT_ONCE)] = memory();
      note(`${written + AT_ONCE} spent tokens: ${JSON.stringify(memory())} MiB`);
    }
    const seconds = Math.round((performance.now() - began) / 1000);
    const { lookup } = spentSet(store, arenas);
    const looked = performance.now();
    for (let i = 0; i < 1000; i++) await lookup(epoch, randomBytes(32));
    const lookups = Math.round(1_000_000 / (performance.now() - looked));
    return { mebibytes_at: at, seconds_to_write: seconds, lookups_per_second: lookups };
  });
