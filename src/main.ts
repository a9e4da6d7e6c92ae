// Wires the house and owns its start and stop.
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import type { Config } from "./config/config.ts";
import { ConfigProblem } from "./config/problem.ts";
import type { FetchDirectory } from "./house/external.ts";
import { createMasterKey, filesOf, loadMasterKey, placeOf } from "./house/files.ts";
import { createIdentity, loadIdentity } from "./house/identity.ts";
import { ISSUERS_PATH } from "./http/app.ts";
import { EnvelopeKeys } from "./http/envelope-keys.ts";
import type { ListenLimits } from "./http/limits.ts";
import { listen } from "./http/listen.ts";
import { openHouse as wireHouse, type House } from "./house/house.ts";
import { bytesKeptFromSwap } from "./house/swap.ts";
import { tellMissing } from "./hardening/measures.ts";
import { policyOf } from "./house/policy-config.ts";
import type { TokenPolicy } from "./house/policy.ts";
import { acceptRollback } from "./house/rollback.ts";
import { startUpkeep } from "./house/upkeep.ts";
import { ArenaPool } from "./memory/arena.ts";
import { lockedAlloc } from "./memory/locked.ts";
import { makeObserver, type Observer, type Snapshot } from "./observe/observer.ts";
import { auditStore, type Audit } from "./store/audit.ts";
import { backUp } from "./store/backup.ts";
import { openRolledBack } from "./store/rollback.ts";
import { createStore, openStore, type Store } from "./store/store.ts";
import { fetchOnce } from "../tor/fetch-once.ts";
import { keepPublished, type Kept } from "../tor/keep-published.ts";
import { onionAddress } from "../tor/onion-address.ts";
import { torFiles } from "../tor/torrc.ts";

export interface ServeOptions {
  /** Stays its owner's: close it after `close`. */
  readonly store: Store;
  readonly arenas: ArenaPool;
  /** Unix seconds. */
  readonly clock: () => number;
  readonly observe: Observer;
  /** Absolute path of the unix socket, below 108 bytes. */
  readonly socketPath: string;
  readonly socketMode?: number;
  readonly rotationSeconds?: number;
  readonly policy?: Partial<TokenPolicy>;
  /** The way to the directories of other issuers that the policy names. */
  readonly fetchDirectory?: FetchDirectory;
  readonly limits?: Partial<ListenLimits>;
}

export interface Serving {
  readonly house: House;
  /** Brings keys and directory up to the clock at once; otherwise it happens every few seconds. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

const TERMS_SECONDS = 300;

/** Opens the house in `store` and serves it on a unix socket. Faults of `openHouse` and `listen`. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { store, arenas, clock, observe, socketPath, socketMode, rotationSeconds, limits } = options;
  if (bytesKeptFromSwap() < arenas.size) observe.event("memory-swappable");
  const house = await wireHouse({
    store,
    arenas,
    clock,
    onionOf: onionAddress,
    ...(options.policy && { policy: options.policy }),
    ...(options.fetchDirectory && { fetchDirectory: options.fetchDirectory }),
    issuerFailed: () => observe.event("issuer-failed"),
  });
  const keys = new EnvelopeKeys(rotationSeconds === undefined ? {} : { rotationSeconds });
  let directory: Buffer = Buffer.alloc(0);
  let issuers: Buffer = Buffer.alloc(0);
  let published = -1;

  const rotate = async (now: number): Promise<void> => {
    keys.expire(now);
    void house.external?.refresh(now); // nobody waits for other houses
    const due = keys.isDue(now);
    if (due) keys.rotate(now);
    // the terms of work move with the day and with demand
    const terms = Math.floor(now / TERMS_SECONDS);
    let issuersChanged = false;
    try {
      issuersChanged = await house.rotateIssuers(now);
    } finally {
      // also where the store takes nothing: without an envelope key nobody could even read
      if (due || issuersChanged || terms !== published) {
        directory = house.directory(keys.published());
        issuers = house.issuerDirectory();
      }
      published = terms;
    }
  };
  const upkeep = startUpkeep({
    store,
    arenas,
    clock,
    rotate,
    removeEnded: house.removeEnded,
    failed: () => observe.event("upkeep-failed"),
  });
  try {
    await upkeep.tick(clock());
    const listener = await listen({
      socketPath,
      ...(socketMode !== undefined && { mode: socketMode }),
      ...(limits !== undefined && { limits }),
      arenas,
      keys,
      redeem: house.redeem,
      challenge: house.challenge,
      dispatch: house.dispatch,
      serves: house.serves,
      issuance: house.issuance,
      documents: { directory: () => directory, issuers: () => issuers },
      clock,
      observe,
    });
    return {
      house,
      tick: () => upkeep.tick(clock()),
      async close() {
        await listener.close();
        await upkeep.stop();
        await house.external?.stop();
        keys.destroy();
        house.destroy();
      },
    };
  } catch (error) {
    await upkeep.stop();
    await house.external?.stop();
    keys.destroy();
    house.destroy();
    throw error;
  }
}

const systemClock = (): number => Math.floor(Date.now() / 1000);
/** An offer of proof of work that lets a quiet house be reached at once (introductions per second, and at once). */
const POW = { queueRate: 25, queueBurst: 250 };

/**
 * Makes a new house where the configuration says: master key, sealed store, identity. Fault `store/exists` when any of
 * it is there already. `rootKeyPath`: the AS root's seed, which the operator takes offline.
 */
export async function createHouse({ config }: { config: Config }): Promise<{ onion: string; rootKeyPath: string }> {
  const files = filesOf(config);
  await createMasterKey(config);
  const masterKey = await loadMasterKey(config);
  const arenas = new ArenaPool([[16 << 10, 8]]);
  try {
    const place = placeOf(config, masterKey);
    await createStore(place);
    const store = await openStore(place);
    try {
      await createIdentity(store, arenas, systemClock(), async (seed) => {
        const file = openSync(files.rootKey, "wx", 0o600);
        writeSync(file, seed);
        fsyncSync(file);
        closeSync(file);
      });
      const { domain } = await loadIdentity(store, arenas);
      return { onion: onionAddress(domain), rootKeyPath: files.rootKey };
    } finally {
      await store.close();
    }
  } finally {
    masterKey.destroy();
  }
}

/** What the files of a house show without a key, read on a copy: the house may run. Fault `store/missing`. */
export const auditHouse = ({ config }: { config: Config }): Promise<Audit> => auditStore(filesOf(config).state);

/**
 * Copies what lives of a stopped house into the empty folder `to`; its key files are not in it. Faults of the store,
 * `store/exists`.
 */
export async function backUpHouse({ config, to }: { config: Config; to: string }): Promise<void> {
  const masterKey = await loadMasterKey(config);
  try {
    await backUp(placeOf(config, masterKey), to);
  } finally {
    masterKey.destroy();
  }
}

/**
 * Takes the state of a stopped house as it is though it was set back, and burns what is for one use. Fault
 * `store/not-rolled-back` when it was not set back.
 */
export async function acceptRolledBack({ config, observe = makeObserver() }: { config: Config; observe?: Observer }) {
  const masterKey = await loadMasterKey(config);
  const arenas = new ArenaPool();
  const rolledBack = await openRolledBack(placeOf(config, masterKey)).finally(() => masterKey.destroy());
  try {
    await acceptRollback(rolledBack, arenas);
    observe.event("rollback-accepted");
  } finally {
    await rolledBack.store.close();
  }
}

export interface OpenedHouse {
  readonly onion: string;
  /** Serves on the unix socket and publishes the onion service; resolves when it can be reached. */
  start(options?: { progress?: (percent: number) => void }): Promise<void>;
  /** Ends whatever was started and closes the store. */
  stop(): Promise<void>;
  /** Fresh invitations, in their text form. */
  invite(count: number): Promise<string[]>;
  snapshot(): Snapshot;
}

/** Opens the house that `createHouse` made. Faults `store/*`; `start` has those of the socket and of tor. */
export async function openHouse(options: {
  config: Config;
  clock?: () => number;
  observe?: Observer;
  /** The house registers and issues, and does nothing else. */
  issuerOnly?: boolean;
}): Promise<OpenedHouse> {
  const { config, observe = makeObserver(), issuerOnly = false } = options;
  const given = options.clock ?? systemClock;
  const clock = (): number => Math.floor(given());
  const files = filesOf(config);
  const masterKey = await loadMasterKey(config);
  const arenas = new ArenaPool();
  const store = await openStore({
    ...placeOf(config, masterKey),
    reopened: () => observe.event("store-reopened"),
    failed: () => observe.event("store-failed"),
  }).finally(() => masterKey.destroy());
  const { domain } = await loadIdentity(store, arenas);
  let serving: Serving | undefined;
  let published: Kept | undefined;
  const onion = onionAddress(domain);
  const asksOthers = config.externalIssuers.length > 0;

  return {
    onion,
    async start({ progress } = {}) {
      const { tor } = config;
      if (config.externalIssuers.some((issuer) => issuer.onion === onion)) {
        throw new ConfigProblem("external_issuers: name this house itself, remove that entry");
      }
      const socks = tor.mode === "launch" ? { socksPath: torFiles(files.tor).socksSocket } : tor.socks;
      let reached = (): void => undefined;
      const network = new Promise<void>((resolve) => (reached = resolve));
      observe.event("start");
      tellMissing(observe);
      serving = await serve({
        store,
        arenas,
        clock,
        observe,
        socketPath: config.socket,
        // tor may run as another user; whoever is in the house's group may connect, as the folder allows
        ...(tor.mode === "control" && { socketMode: 0o660 }),
        rotationSeconds: config.envelope.rotationSeconds,
        policy: policyOf(config, issuerOnly),
        ...(asksOthers &&
          socks && {
            async fetchDirectory(issuer, signal) {
              await network;
              return fetchOnce({ ...socks, onion: issuer }, ISSUERS_PATH, signal);
            },
          }),
        limits: config.limits,
      });
      const { house } = serving;
      const cookie = tor.mode === "control" && tor.cookieFile !== undefined ? { cookieFile: tor.cookieFile } : {};
      published = await keepPublished({
        source:
          tor.mode === "launch"
            ? { mode: "launch", dataDir: files.tor, socks: asksOthers }
            : { mode: "control", controlSocket: tor.controlSocket, ...cookie },
        seed: (into) => house.identity.onionSeed.use((seed) => into.set(seed)),
        seedBuffer: lockedAlloc(32),
        targetSocket: config.socket,
        ...(tor.pow && { powDefenses: POW }),
        ...(progress && { progress }),
        lost: () => observe.event("tor-lost"),
        back: () => observe.event("tor-back"),
      });
      reached();
      observe.event("ready");
    },
    async stop() {
      await published?.stop();
      await serving?.close();
      await store.close();
      if (serving !== undefined) observe.event("stop");
    },
    async invite(count) {
      if (serving !== undefined) return serving.house.invite(count);
      const house = await wireHouse({ store, arenas, clock, onionOf: onionAddress });
      try {
        return house.invite(count);
      } finally {
        house.destroy();
      }
    },
    snapshot: () => observe.snapshot(),
  };
}
