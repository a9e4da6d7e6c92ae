// A secret that outlives the message it came in.
import { lockedAlloc } from "../memory/locked.ts";

/** A copy in locked memory of its own: for what a client holds for long, a few at a time. */
export function keepLocked(secret: Uint8Array): Buffer {
  const kept = lockedAlloc(secret.length);
  kept.set(secret);
  return kept;
}
