// `tacet start` and `tacet issuer`: runs the house until it is told to stop. It never makes anything.
import type { Config } from "../config/config.ts";
import { ConfigProblem } from "../config/problem.ts";
import { readChecked } from "./checked.ts";
import type { Houses } from "./houses.ts";
import { patiently, tell, type Terminal } from "./terminal.ts";

function requireIssuer(path: string, { tokens, externalIssuers }: Config): void {
  if (!tokens.types.includes("0x0002")) {
    throw new ConfigProblem(`${path}: tokens.types: lacks what other houses can check, write ["0x0005", "0x0002"]`);
  }
  if (externalIssuers.length > 0) {
    throw new ConfigProblem(`${path}: external_issuers: an issuer has nothing to take tokens for, remove them`);
  }
}

/** Resolves after a clean stop. `issuerOnly`: registers and issues, nothing else. `stopped` resolves when the process is asked to end. */
export async function start(
  { config: path, issuerOnly }: { readonly config: string; readonly issuerOnly: boolean },
  houses: Houses,
  terminal: Terminal,
  clock: () => number,
  stopped: Promise<void>,
): Promise<void> {
  const config = readChecked(path);
  if (issuerOnly) requireIssuer(path, config);
  const house = await patiently(terminal, "opening the house", houses.openHouse({ config, clock, issuerOnly }));
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
