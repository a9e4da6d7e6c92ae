// A whole house in one call, without Tor: a real store in a temporary directory, served on a unix socket.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FetchDirectory } from "../src/house/external.ts";
import { createIdentity } from "../src/house/identity.ts";
import type { TokenPolicy } from "../src/house/policy.ts";
import { serve, type Serving } from "../src/main.ts";
import { ArenaPool } from "../src/memory/arena.ts";
import { GuardedKey } from "../src/memory/guarded-key.ts";
import { makeObserver, type Observer } from "../src/observe/observer.ts";
import { randomFill } from "../src/crypto/random.ts";
import { createStore, openStore, type Store } from "../src/store/store.ts";
import { socketTransport } from "../tor/socket-transport.ts";
import { dumpStore, type Dump } from "./dump-store.ts";

export interface TestHouse {
  readonly onion: string;
  readonly socketPath: string;
  /** The store's directory. */
  readonly dataDir: string;
  readonly masterKey: GuardedKey;
  readonly arenas: ArenaPool;
  readonly observe: Observer;
  /** The current ones: `restart` makes new ones. */
  readonly serving: Serving;
  readonly store: Store;
  /** Moves the house's clock; seconds. */
  advance(seconds: number): Promise<void>;
  now(): number;
  invite(count?: number): string[];
  /** A client's transport straight to the socket. */
  transport(): ReturnType<typeof socketTransport>;
  /** Stops the house and opens it anew from its files. */
  restart(): Promise<void>;
  /** Stops the house, opens every record with the master key, and starts it again. */
  dump(): Promise<Dump>;
  stop(): Promise<void>;
}

export interface TestHouseOptions {
  readonly rotationSeconds?: number;
  readonly policy?: Partial<TokenPolicy>;
  readonly fetchDirectory?: FetchDirectory;
}

/** Everything real but Tor and the wall clock, which can be moved forward. */
export async function startTestHouse(options: TestHouseOptions = {}): Promise<TestHouse> {
  const dir = await mkdtemp(join(tmpdir(), "tacet-house-"));
  const dataDir = join(dir, "data");
  const socketPath = join(dir, "house.sock");
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  const arenas = new ArenaPool();
  const observe = makeObserver(() => undefined);
  let ahead = 0;
  const clock = (): number => Math.floor(Date.now() / 1000) + ahead;

  await createStore({ dir: dataDir, masterKey });
  let store = await openStore({ dir: dataDir, masterKey, reserveBytes: 0 });
  await createIdentity(store, arenas, clock(), async () => undefined);
  const open = (): Promise<Serving> => serve({ store, arenas, clock, observe, socketPath, ...options });
  let serving = await open();
  const restart = async (meanwhile: () => Promise<void>): Promise<void> => {
    await serving.close();
    await store.close();
    await meanwhile();
    store = await openStore({ dir: dataDir, masterKey, reserveBytes: 0 });
    serving = await open();
  };

  return {
    onion: serving.house.onion,
    socketPath,
    dataDir,
    masterKey,
    arenas,
    observe,
    get serving() {
      return serving;
    },
    get store() {
      return store;
    },
    async advance(seconds) {
      ahead += seconds;
      await serving.tick();
    },
    now: clock,
    invite: (count = 1) => serving.house.invite(count),
    transport: () => socketTransport(socketPath, serving.house.onion),
    restart: () => restart(async () => undefined),
    async dump() {
      let dump: Dump = { opened: [], others: 0 };
      await restart(async () => {
        dump = await dumpStore(dataDir, masterKey);
      });
      return dump;
    },
    async stop() {
      await serving.close();
      await store.close();
      masterKey.destroy();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
