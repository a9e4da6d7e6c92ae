// Lets the house collect garbage when it gets quiet and clear most of what that frees: strings cannot be wiped.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * After it `globalThis.gc` is there, which the listener calls after traffic. It is for what must be a string for a
 * moment, the Authorization header of foreign clients; everything else is wiped by hand.
 */
export function exposeCollector(): void {
  setFlagsFromString("--clear-free-memory");
  setFlagsFromString("--expose-gc");
  globalThis.gc = runInNewContext("gc") as NonNullable<typeof globalThis.gc>;
}
