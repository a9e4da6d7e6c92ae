// Wires the house and owns its start and stop.
import { EnvelopeKeys } from "./http/envelope-keys.ts";
import type { ListenLimits } from "./http/limits.ts";
import { listen } from "./http/listen.ts";
import { openHouse, type House } from "./house/house.ts";
import { startUpkeep } from "./house/upkeep.ts";
import type { ArenaPool } from "./memory/arena.ts";
import type { Observer } from "./observe/observer.ts";
import type { Store } from "./store/store.ts";
import { onionAddress } from "../tor/onion-address.ts";

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
  readonly limits?: Partial<ListenLimits>;
}

export interface Serving {
  readonly house: House;
  /** Brings keys and directory up to the clock at once; otherwise it happens every few seconds. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the house in `store` and serves it on a unix socket. Faults of `openHouse` and `listen`. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { store, arenas, clock, observe, socketPath, socketMode, rotationSeconds, limits } = options;
  const house = await openHouse({ store, arenas, clock, onionOf: onionAddress });
  const keys = new EnvelopeKeys(rotationSeconds === undefined ? {} : { rotationSeconds });
  let directory: Buffer = Buffer.alloc(0);

  const rotate = async (now: number): Promise<void> => {
    keys.expire(now);
    const issuersChanged = await house.rotateIssuers(now);
    const due = keys.due <= now;
    if (due) keys.rotate(now);
    if (due || issuersChanged) directory = house.directory(keys.published());
  };
  const upkeep = startUpkeep({ store, arenas, clock, rotate, failed: () => observe.event("upkeep-failed") });
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
      documents: { directory: () => directory },
      clock,
      observe,
    });
    return {
      house,
      tick: () => upkeep.tick(clock()),
      async close() {
        await listener.close();
        await upkeep.stop();
        keys.destroy();
        house.destroy();
      },
    };
  } catch (error) {
    await upkeep.stop();
    keys.destroy();
    house.destroy();
    throw error;
  }
}
