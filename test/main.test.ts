import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomFill } from "../src/crypto/random.ts";
import { Fault } from "../src/fault.ts";
import { createIdentity } from "../src/house/identity.ts";
import { bytesKeptFromSwap } from "../src/house/swap.ts";
import { serve, type Serving } from "../src/main.ts";
import { ArenaPool } from "../src/memory/arena.ts";
import { GuardedKey } from "../src/memory/guarded-key.ts";
import { makeObserver } from "../src/observe/observer.ts";
import { createStore, openStore, type Store } from "../src/store/store.ts";
import { socketTransport } from "../tor/socket-transport.ts";
import { rawHouse } from "./raw-account.ts";

const DAY = 86400;

describe("serve", () => {
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  const arenas = new ArenaPool([
    [16 << 10, 32],
    [64 << 10, 8],
  ]);
  let dir: string;
  let store: Store;
  let serving: Serving;
  let socketPath: string;
  let full: boolean;
  let now: number;
  let lines: string[];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-serve-"));
    [full, now, lines] = [false, 20_000 * DAY, []];
    await createStore({ dir: join(dir, "data"), masterKey });
    store = await openStore({ dir: join(dir, "data"), masterKey, reserveBytes: 0 });
    await createIdentity(store, arenas, now, async () => undefined);
    // a disk that takes nothing more while `full`
    const failing: Store = {
      transact: (arena, work) => (full ? Promise.reject(new Fault("server/full")) : store.transact(arena, work)),
      read: (arena, work) => store.read(arena, work),
      dropPartition: (room, partition) => store.dropPartition(room, partition),
      erase: () => store.erase(),
      close: () => store.close(),
    };
    socketPath = join(dir, "s");
    serving = await start(failing, arenas);
  });
  const start = (over: Store, pool: ArenaPool): Promise<Serving> => {
    const observe = makeObserver((line) => lines.push(line));
    return serve({ store: over, arenas: pool, clock: () => now, observe, socketPath });
  };
  afterEach(async () => {
    await serving.close();
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** What the house says to a client that has just read the directory. */
  const asked = async (): Promise<string> => {
    const { onion } = serving.house;
    const transport = () => socketTransport(socketPath, onion);
    const raw = await rawHouse({ onion, transport, now: () => now, invite: () => [] });
    try {
      return (await raw.ask({ operation: "qs.read", request: Buffer.alloc(99) })).code;
    } finally {
      raw.close();
    }
  };

  it("says so when the system locks less memory than requests may fill", async () => {
    const told = (): boolean => lines.join("").includes("memory-swappable");
    await serving.close();
    lines = [];
    const pool = new ArenaPool([[16 << 10, 32]]);
    serving = await start(store, pool);
    assert.equal(told(), bytesKeptFromSwap() < pool.size);
    await serving.close();
    Object.defineProperty(pool, "size", { value: 2 ** 40 }); // more than any system locks
    serving = await start(store, pool);
    assert.ok(told());
  });

  it("a full disk at the turn of an epoch does not end the envelope keys", async () => {
    assert.equal(await asked(), "wire/malformed");
    full = true;
    now += 31 * DAY;
    await assert.rejects(serving.tick(), { code: "server/full" });
    assert.equal(await asked(), "wire/malformed");
  });

  it("a clock that is set back makes no envelope key live longer", async () => {
    now += DAY;
    await serving.tick();
    now -= DAY;
    await serving.tick();
    const transport = socketTransport(socketPath, serving.house.onion);
    const before = await rawHouse({
      onion: serving.house.onion,
      transport: () => transport,
      now: () => now,
      invite: () => [],
    });
    before.close();
    assert.ok(before.to.envelopeKeys.every(({ notAfter }) => notAfter <= now + 1800));
    assert.equal(await asked(), "wire/malformed");
  });
});
