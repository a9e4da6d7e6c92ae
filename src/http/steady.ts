// When a reply leaves: at a step counted from when its request was whole, and a moment of chance later, so that work done
// sooner does not show by time.
import { setTimeout as pause } from "node:timers/promises";
import { randomBelow } from "../crypto/random.ts";

// oxlint-disable-next-line no-restricted-globals -- a stopwatch, not a clock
const stopwatch = (): number => performance.now();

/** Evenly from 0 to 1. */
const chance = (): number => randomBelow(1 << 20) / (1 << 20);

/**
 * Begins to measure when `whole` resolves. What is returned resolves after the end of the step of `step` milliseconds in
 * which it was called, by a part of a step that chance chooses. Without a step it resolves at once.
 */
// A timer fires up to a millisecond late, and by how much depends on the moment at which the process last went to sleep:
// that is what chance covers. To wait for the exact moment by turns of the event loop would do without, but makes so much
// garbage that header strings of foreign clients are moved about, and their copies stay.
export function steadily(whole: Promise<void>, step: number): () => Promise<void> {
  if (step === 0) return () => Promise.resolve();
  const began = whole.then(stopwatch);
  return async () => {
    const first = await began;
    const steps = Math.floor((stopwatch() - first) / step) + 1 + chance();
    await pause(Math.max(0, Math.ceil(first + steps * step - stopwatch())));
  };
}
