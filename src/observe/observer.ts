// Tells the operator what happens, in events and totals that say nothing about anybody.
import type { FaultCode } from "../fault.ts";
import { events, type EventName } from "./names.ts";

/** Totals since the start of the process. Kept in memory only, by no time, subject or operation. */
export interface Snapshot {
  readonly served: number;
  readonly redeemed: number;
  readonly refused: Readonly<Partial<Record<FaultCode, number>>>;
}

export interface Observer {
  /** Prints the event's line. */
  event(name: EventName): void;
  /** One request answered with success. */
  served(): void;
  /** One request refused. */
  refused(code: FaultCode): void;
  /** One token accepted at the gate, spent or given back later. */
  redeemed(): void;
  snapshot(): Snapshot;
}

/** `write` gets whole lines; without it they go to standard error. */
export function makeObserver(write = (line: string): void => void process.stderr.write(line)): Observer {
  const refused = new Map<FaultCode, number>();
  let served = 0;
  let redeemed = 0;
  return {
    event: (name) => write(`tacet: ${name}: ${events[name]}\n`),
    served: () => void served++,
    refused: (code) => void refused.set(code, (refused.get(code) ?? 0) + 1),
    redeemed: () => void redeemed++,
    snapshot: () => ({
      served,
      redeemed,
      refused: Object.fromEntries(refused),
    }),
  };
}
