// What keeps others out of this process and the past out of its memory: each measure, what it buys, whether it holds now.
import { readFileSync } from "node:fs";
import { url as inspectorUrl } from "node:inspector";
import { ArenaPool } from "../memory/arena.ts";
import { bytesKeptFromSwap } from "../house/swap.ts";
import type { Observer } from "../observe/observer.ts";

export interface Measure {
  readonly name: string;
  /** Required ones are all that the launcher can see to by itself, or an operator by one setting. */
  readonly required: boolean;
  readonly buys: string;
  /** What to do where it does not hold. */
  readonly remedy: string;
  /** Looks at this process as it is. */
  holds(): boolean;
  /** Says at start that it is missing. */
  missing?(observe: Observer): void;
}

const launcher = "start the house by `tacet start`, which sees to it";

/** A file of proc(5); empty where it is not there or not for us. */
function proc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return "";
  }
}

// M_PERTURB: what malloc hands out is filled with the complement of what it fills freed memory with, 165.
const UNWRITTEN = 0x5a;
// V8 keeps buffers of up to 64 bytes elsewhere; thread caches would hold what is below 1,033.
const PROBES = Array.from({ length: 200 }, (_, i) => 80 + 4 * i);

const freedIsOverwritten = (): boolean =>
  /(^|:)glibc\.malloc\.tcache_count=0(:|$)/.test(process.env["GLIBC_TUNABLES"] ?? "") &&
  PROBES.every((size) => Buffer.allocUnsafeSlow(size).every((byte) => byte === UNWRITTEN));

const ownFlags = new Set(["--disable-sigusr1", "--disable-proto=delete", "--require"]);
const given = ["NODE_OPTIONS", "NODE_V8_COVERAGE", "NODE_DEBUG", "NODE_DEBUG_NATIVE", "SSLKEYLOGFILE"];

/** Node's own flags but those of harden.sh; the file that --require names is one of these. */
const otherFlags = (): string[] =>
  process.execArgv.filter((flag) => !ownFlags.has(flag) && !flag.endsWith("/hardening/debugger.cjs"));

/** Zeros in a pool as large as a house's: what the system locks of it is then known. */
function poolsAreLocked(): boolean {
  if (proc("swaps").trim().split("\n").length === 1) return true;
  const pool = new ArenaPool();
  return bytesKeptFromSwap() >= pool.size;
}

// Not dumpable: the process' own entries are root's (proc(5), PR_SET_DUMPABLE in prctl(2)).
const neighboursKeptOut = (): boolean =>
  /^[123]/.test(proc("sys/kernel/yama/ptrace_scope")) || proc("self/environ") === "";

export const measures: readonly Measure[] = [
  {
    name: "freed-memory",
    required: true,
    buys: "what native code frees is overwritten: V8's saved registers, buffers, what libraries copied",
    remedy: `${launcher}, on a system with glibc`,
    holds: freedIsOverwritten,
    missing: (observe) => observe.event("freed-memory-kept"),
  },
  {
    name: "early-binding",
    required: true,
    buys: "no library call saves the vector registers on the stack, where they would stay",
    remedy: launcher,
    holds: () => (process.env["LD_BIND_NOW"] ?? "") !== "",
    missing: (observe) => observe.event("late-binding"),
  },
  {
    name: "collection",
    required: true,
    buys: "a quiet house collects its heap and clears what that frees: header strings of foreign clients",
    remedy: launcher,
    holds: () => typeof globalThis.gc === "function",
    missing: (observe) => observe.event("no-collection"),
  },
  {
    name: "core-dumps",
    required: true,
    buys: "a crash writes no memory to disk, also where a crash collector takes the dump",
    remedy: launcher,
    holds: () =>
      /^Max core file size\s+0\s+0\s/m.test(proc("self/limits")) && /^0+$/.test(proc("self/coredump_filter").trim()),
    missing: (observe) => observe.event("core-dumps-on"),
  },
  {
    name: "debugger",
    required: true,
    buys: "no inspector on a port, none to be opened by a signal",
    remedy: `${launcher}, without --inspect`,
    holds: () => inspectorUrl() === undefined && process.listenerCount("SIGUSR1") > 0,
    missing: (observe) => observe.event("debugger-open"),
  },
  {
    name: "options",
    required: true,
    buys: "no heap snapshots, reports, coverage or code by somebody's environment or flags",
    remedy: `${launcher}, without flags for Node`,
    holds: () => otherFlags().length === 0 && given.every((name) => process.env[name] === undefined),
    missing: (observe) => observe.event("options-added"),
  },
  {
    name: "prototypes",
    required: true,
    buys: "no input can reach the prototype of all objects through __proto__",
    remedy: launcher,
    holds: () => !Object.hasOwn(Object.prototype, "__proto__"),
    missing: (observe) => observe.event("prototypes-open"),
  },
  {
    name: "locked-memory",
    required: true,
    buys: "keys, and what requests fill, are never swapped to disk",
    remedy: "raise memlock (LimitMEMLOCK= of systemd, /etc/security/limits.conf), or turn swap off",
    // a house says so by itself when it has its pools
    holds: poolsAreLocked,
  },
  {
    name: "neighbours",
    required: false,
    buys: "other processes of the same user cannot read this one's memory; root always can",
    remedy: "a user of its own for the house, and sysctl kernel.yama.ptrace_scope=1",
    holds: neighboursKeptOut,
  },
];

/** At start: one event for each that does not hold. */
export function tellMissing(observe: Observer): void {
  for (const { holds, missing } of measures) if (missing !== undefined && !holds()) missing(observe);
}
