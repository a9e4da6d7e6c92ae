// Waits until a tor can build circuits, and tells how far it is.
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../src/fault.ts";
import type { ControlClient } from "./control.ts";

/**
 * Resolves when tor reports 100 percent. `progress` gets each new percentage. Fault tor/timeout after `timeoutMs`.
 */
export const awaitBootstrap = async (
  control: ControlClient,
  timeoutMs: number,
  progress?: (percent: number) => void,
): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  for (let last = -1; last < 100;) {
    const phase = await control.getInfo("status/bootstrap-phase");
    const percent = Number(/ PROGRESS=(\d+)/.exec(phase)?.[1] ?? 0);
    if (percent !== last) progress?.(percent);
    last = percent;
    if (last >= 100) return;
    if (performance.now() > deadline) throw new Fault("tor/timeout");
    await sleep(50);
  }
};
