// Whether the system really locks what is meant to be locked: libsodium goes on without a word where it does not.
import { readFileSync } from "node:fs";

/** Bytes that the kernel keeps out of swap for this process: a limit (RLIMIT_MEMLOCK) is met without any error. */
export function bytesKeptFromSwap(): number {
  const line = /^VmLck:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return Number(line?.[1] ?? 0) * 1024;
}
