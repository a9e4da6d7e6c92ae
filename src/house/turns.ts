// When the store turns, so that what was deleted is gone for good: once an hour, at most a hundredth of the time.
import type { Store } from "../store/store.ts";

const HOUR = 3600;
/** Seconds until a turn that failed is tried again. */
const RETRY = 60;
/** A turn of a large store takes longer, and the next comes later: seconds of rest for each second. */
const REST = 100;

export interface Turns {
  /** Begins a turn when one is due; nobody waits for it. */
  tick(): void;
  /** No turn begins from here on. One under way ends with its store. */
  stop(): void;
}

export function startTurns(deps: {
  readonly store: Pick<Store, "erase">;
  /** Unix seconds. */
  readonly clock: () => number;
  /** Told when a turn did not succeed. */
  readonly failed: () => void;
}): Turns {
  const { store, clock, failed } = deps;
  let [since, due] = [Infinity, -Infinity];
  let running = false;
  let stopped = false;

  const turn = async (): Promise<void> => {
    since = clock();
    try {
      await store.erase();
      due = since + Math.max(HOUR, REST * (clock() - since));
    } catch {
      due = since + RETRY;
      if (!stopped) failed();
    }
  };
  return {
    tick() {
      const now = clock();
      // A clock that was set back must not hold it up.
      if (stopped || running || (now < due && now >= since)) return;
      running = true;
      void turn().finally(() => (running = false));
    },
    stop: () => void (stopped = true),
  };
}
