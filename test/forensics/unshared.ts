// What of the fields of requests belongs to one request alone: bytes that another walk has too are the format's or the house's.
import type { Canary } from "../memory/canary.ts";

/** A byte field of a request or its reply. */
export interface Field {
  readonly operation: string;
  readonly what: string;
  readonly bytes: Buffer;
}

const WINDOW = 8;
/** A window with fewer different bytes is padding or a number. */
const LEAST_VARIED = 5;

function windowsOf(fields: readonly Field[]): Set<bigint> {
  const windows = new Set<bigint>();
  for (const { bytes } of fields)
    for (let at = 0; at + WINDOW <= bytes.length; at++) windows.add(bytes.readBigUInt64LE(at));
  return windows;
}

const isPlain = (bytes: Buffer, at: number): boolean => new Set(bytes.subarray(at, at + WINDOW)).size < LEAST_VARIED;

/** The runs of `bytes` of which no window is in `shared`. */
function runsOf(bytes: Buffer, shared: ReadonlySet<bigint>): Buffer[] {
  const common = new Uint8Array(bytes.length);
  for (let at = 0; at + WINDOW <= bytes.length; at++)
    if (shared.has(bytes.readBigUInt64LE(at)) || isPlain(bytes, at)) common.fill(1, at, at + WINDOW);
  const runs: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    if (common[from] === 1) {
      from++;
      continue;
    }
    const found = common.indexOf(1, from);
    const end = found < 0 ? bytes.length : found;
    if (end - from >= WINDOW) runs.push(bytes.subarray(from, end));
    from = end;
  }
  return runs;
}

/**
 * Canaries, named `operation what`, of two walks in which everything that a client chooses is fresh. Bytes that one house
 * gives to both walks (its keys, its credentials' frame) are in neither's.
 */
export function unshared(walks: readonly [readonly Field[], readonly Field[]]): Canary[] {
  const [first, second] = walks.map(windowsOf) as [Set<bigint>, Set<bigint>];
  const shared = new Set([...first].filter((window) => second.has(window)));
  const seen = new Set<string>();
  return walks.flat().flatMap(({ operation, what, bytes }) =>
    runsOf(bytes, shared).flatMap((run) => {
      // many requests name the same group: one canary is enough, the first operation's that had it
      const key = `${operation} ${run.toString("latin1")}`;
      if (seen.has(key)) return [];
      seen.add(key);
      return [{ kind: `${operation} ${what}`, bytes: run }];
    }),
  );
}
