// What a house does by the clock: new envelope keys, new issuer keys, a new directory, forgetting what is over.
import type { ArenaPool } from "../memory/arena.ts";
import { sweep, type Period } from "../store/expiry.ts";
import type { Store } from "../store/store.ts";
import { HELD_DAYS, PERIOD_DAYS } from "../services/auth/names.ts";
import { keptPeriods, type KeptRoom } from "../services/delivery/kept.ts";
import { lookAfter } from "../services/queue/look.ts";
import { RECEIPT_DAYS } from "../services/dispatch.ts";
import { startTurns } from "./turns.ts";
import { EPOCH_DAYS, OVERLAP_DAYS } from "../../tokens/epochs.ts";
import { EXTERNAL_KEY_EPOCHS } from "../../tokens/external.ts";

const DAY = 86400;
const periods: readonly Period[] = [
  { room: "spent", seconds: EPOCH_DAYS * DAY, keepSeconds: OVERLAP_DAYS * DAY },
  // a key issues until it dies: who forgot sooner would give everybody a second batch in the overlap
  { room: "issuance", seconds: EPOCH_DAYS * DAY, keepSeconds: OVERLAP_DAYS * DAY },
  { room: "foreignSpent", seconds: EPOCH_DAYS * DAY, keepSeconds: EXTERNAL_KEY_EPOCHS * EPOCH_DAYS * DAY },
  { room: "budget", seconds: DAY, keepSeconds: DAY },
  { room: "work", seconds: DAY, keepSeconds: DAY },
  { room: "receipt", seconds: DAY, keepSeconds: RECEIPT_DAYS * DAY },
  { room: "accountUse", seconds: PERIOD_DAYS * DAY, keepSeconds: PERIOD_DAYS * DAY },
  { room: "targetUse", seconds: DAY, keepSeconds: 0 },
  { room: "nameHeld", seconds: PERIOD_DAYS * DAY, keepSeconds: HELD_DAYS * DAY },
  ...Object.entries(keptPeriods).map(([room, { seconds, behind }]) => ({
    room: room as KeptRoom,
    seconds,
    keepSeconds: behind * seconds,
  })),
];
const TICK_MS = 5_000;
const SWEEP_SECONDS = 3600;

export interface Upkeep {
  /** Runs whatever is due at `now` (unix seconds). A call during another joins it. */
  tick(now: number): Promise<void>;
  stop(): Promise<void>;
}

export interface UpkeepDeps {
  readonly store: Store;
  readonly arenas: ArenaPool;
  /** Unix seconds. */
  readonly clock: () => number;
  /** Rotates keys that are due and publishes the directory anew when one changed. */
  readonly rotate: (now: number) => Promise<void>;
  /** Deletes the accounts whose end has come. */
  readonly removeEnded: (now: number) => Promise<unknown>;
  /** Told when a tick did not succeed; the next one tries again. */
  readonly failed: () => void;
}

/** Ticks every five seconds until stopped. */
export function startUpkeep(deps: UpkeepDeps): Upkeep {
  const { store, arenas, clock, rotate, removeEnded, failed } = deps;
  let swept = -Infinity;
  let running: Promise<void> | undefined;
  const turns = startTurns({ store, clock, failed });

  const work = async (now: number): Promise<void> => {
    await rotate(now);
    if (now - swept < SWEEP_SECONDS && now >= swept) return;
    const arena = arenas.arena();
    try {
      await sweep(store, { now, periods, arena });
      await removeEnded(now);
      await lookAfter({ store, arenas }, now);
      swept = now;
    } finally {
      arena.close();
    }
  };
  const tick = (now: number): Promise<void> =>
    (running ??= work(now).finally(() => {
      running = undefined;
      turns.tick();
    }));
  const timer = setInterval(() => void tick(clock()).catch(failed), TICK_MS);
  timer.unref();
  return {
    tick,
    async stop() {
      clearInterval(timer);
      turns.stop();
      await running?.catch(() => undefined);
    },
  };
}
