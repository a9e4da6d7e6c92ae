// `tacet start`: runs the house until it is told to stop. It never makes anything.
import { readConfig } from "../config/config.ts";
import type { Houses } from "./houses.ts";
import { patiently, tell, type Terminal } from "./terminal.ts";

/** Resolves after a clean stop. `stopped` resolves when the process is asked to end. */
export async function start(
  options: { readonly config: string },
  houses: Houses,
  terminal: Terminal,
  clock: () => number,
  stopped: Promise<void>,
): Promise<void> {
  const config = readConfig(options.config);
  const house = await patiently(terminal, "opening the house", houses.openHouse({ config, clock }));
  try {
    // A stop that comes while tor is still finding its way is obeyed at once.
    const started = house.start().then(() => true);
    const ready = await patiently(terminal, "reaching the tor network", Promise.race([started, stopped]));
    if (ready === true) tell(terminal, { onion: house.onion }, [`${house.onion} is reachable`]);
    else started.catch(() => undefined);
    await stopped;
  } finally {
    await patiently(terminal, "stopping", house.stop());
    const { served, redeemed } = house.snapshot();
    tell(terminal, { served, redeemed }, [`served ${served} requests, redeemed ${redeemed} tokens`]);
  }
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        resolve();
        process.once(signal, () => process.exit(1));
      });
    }
  });
}
