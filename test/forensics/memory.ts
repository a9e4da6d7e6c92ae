// Walks the operation table against a house in a process of its own, freezes it and searches all of its memory.
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { operations } from "../../src/wire/operations.ts";
import { socketTransport } from "../../tor/socket-transport.ts";
import type { Canary } from "../memory/canary.ts";
import { describeHits } from "../memory/hits.ts";
import { cannotRead, scanProcess } from "../memory/process-memory.ts";
import { sendTraffic } from "../memory/residue-traffic.ts";
import { Scanner, type Hit } from "../memory/scanner.ts";
import type { AskedHouse } from "../raw-account.ts";
import { TestQueue } from "../services/queue/test-queue.ts";
import { spawnHouse, type SpawnedHouse } from "../spawn-house.ts";
import { IN_FLIGHT, startLoad } from "./load.ts";
import { NotedHouse } from "./noted-house.ts";
import { recordingProxy, type Exchange } from "./recording-proxy.ts";
import { unshared } from "./unshared.ts";
import { missingFrom, walk } from "./walk.ts";

const leaky = fileURLToPath(new URL("./leaky-process.ts", import.meta.url));
/** A process of ours is never smaller: less means that its memory was not read. */
const LEAST_BYTES = 20 << 20;

interface Walked {
  /** Of what two walks of the table and their refusals carried, named `operation what`. */
  readonly canaries: Canary[];
  readonly requests: number;
  /** Accepted in both walks. */
  readonly accepted: ReadonlySet<string>;
  readonly refusals: ReadonlySet<string>;
}

async function walkTwice(house: AskedHouse): Promise<Walked> {
  const walks = [await NotedHouse.open(house), await NotedHouse.open(house)] as const;
  const refusals = new Set<string>();
  for (const noted of walks) {
    await walk(noted);
    for (const code of await noted.refusals()) refusals.add(code);
    noted.close();
  }
  const [first, second] = walks;
  return {
    canaries: unshared([first.fields, second.fields]),
    requests: first.requests + second.requests,
    accepted: new Set([...first.accepted].filter((name) => second.accepted.has(name))),
    refusals,
  };
}

/** What lies in the memory of a process, which is stopped by this. */
function search(pid: number, canaries: readonly Canary[]): readonly Hit[] {
  process.kill(pid, "SIGSTOP"); // before the scanner is built, which takes a while
  const scanner = new Scanner(canaries);
  const bytes = scanProcess(pid, scanner);
  if (bytes < LEAST_BYTES) throw new Error(`only ${bytes} bytes were read`);
  return scanner.hits;
}
const firstWords = (hits: readonly Hit[]): Set<string> => new Set(hits.map(({ kind }) => kind.split(" ")[0] ?? ""));

export interface MemoryReport {
  /** Of the walks; the broken ones and those of the load come on top. */
  readonly requests: number;
  readonly broken: number;
  readonly operations: number;
  /** Operations without an accepted request. */
  readonly missing: readonly string[];
  readonly canaries: number;
  /** Fragments in memory, `waited` after the last reply. */
  readonly found: number;
  readonly waited_ms: number;
  /** Operations of which the same search found something in a house that keeps copies, and those of which not. */
  readonly control_found: number;
  readonly control_missed: readonly string[];
  /** The same while other clients go on: fragments of the walks, and requests of the load of which anything was found. */
  readonly load: {
    readonly requests: number;
    readonly in_flight: number;
    readonly found: number;
    readonly of_load: number;
    /** Requests of the load that were found in the house that keeps copies. */
    readonly control_of_load: number;
  };
  readonly where: readonly string[];
}

export interface MemoryRun {
  readonly report: MemoryReport;
  readonly exchanges: readonly Exchange[];
  readonly canaries: readonly Canary[];
}

/** Why the search cannot be made here, or undefined. */
export async function memoryReason(): Promise<string | undefined> {
  const spawned = await spawnHouse();
  try {
    return cannotRead(spawned.pid);
  } finally {
    await spawned.remove();
  }
}

/**
 * The whole part. `inspect` is given the house when its requests are over, and still stopped, with all canaries: its files
 * are searched for the same.
 */
export async function memory(options: {
  readonly waitMs: number;
  readonly rounds: number;
  readonly inspect: (house: SpawnedHouse, canaries: readonly Canary[]) => Promise<void>;
}): Promise<MemoryRun> {
  const { waitMs, rounds, inspect } = options;
  const house = await spawnHouse();
  const proxy = await recordingProxy(house.socketPath);
  const { onion, now, invite } = house;
  const proxied = { onion, now, invite, transport: () => socketTransport(proxy.socketPath, onion) };
  const where: string[] = [];
  try {
    const quiet = await walkTwice(proxied);
    const noted = await NotedHouse.open(house);
    const { envelopeKey: publicKey, domain } = noted.raw.to;
    const { socketPath, pid } = house;
    const target = { socketPath, publicKey: Buffer.from(publicKey), domain: Buffer.from(domain) };
    const broken = await sendTraffic(target, 0, rounds);
    const queue = await TestQueue.create(noted.services);
    await pause(waitMs);
    const found = search(pid, [...quiet.canaries, ...broken.canaries, ...broken.wire]);
    where.push(...describeHits(found));
    await inspect(house, quiet.canaries);
    process.kill(pid, "SIGCONT");

    const busy = await walkTwice(house);
    const load = await startLoad(house, queue);
    await pause(waitMs);
    const requests = load.count();
    const hits = search(pid, [...busy.canaries, ...load.canaries]);
    load.stop();
    noted.close();
    const ofLoad = new Set(hits.map(({ kind }) => kind).filter((kind) => kind.startsWith("load ")));
    const ofWalks = hits.filter(({ kind }) => !kind.startsWith("load "));
    where.push(...describeHits(ofWalks));

    const control = await controlled();
    return {
      report: {
        requests: quiet.requests + busy.requests,
        broken: broken.sent,
        operations: quiet.accepted.size,
        missing: missingFrom(quiet.accepted),
        canaries: quiet.canaries.length + broken.canaries.length,
        found: found.length,
        waited_ms: waitMs,
        control_found: control.walked.size,
        control_missed: Object.keys(operations).filter((name) => !control.walked.has(name)),
        load: {
          requests,
          in_flight: IN_FLIGHT,
          found: ofWalks.length,
          of_load: ofLoad.size,
          control_of_load: control.ofLoad,
        },
        where,
      },
      exchanges: proxy.exchanges,
      canaries: quiet.canaries,
    };
  } finally {
    await proxy.close();
    await house.remove();
  }
}

const CONTROL_LENGTH = 64;
const CONTROL_LOAD_MS = 300;

/** What the same search finds in a house that keeps copies of what its requests had. One canary a field is enough there. */
async function controlled(): Promise<{ walked: Set<string>; ofLoad: number }> {
  const house = await spawnHouse({ program: leaky });
  try {
    const { canaries } = await walkTwice(house);
    const fields = new Map(
      canaries.map(({ kind, bytes }) => [kind, { kind, bytes: bytes.subarray(0, CONTROL_LENGTH) }]),
    );
    const noted = await NotedHouse.open(house);
    const load = await startLoad(house, await TestQueue.create(noted.services));
    await pause(CONTROL_LOAD_MS);
    const hits = search(house.pid, [...fields.values(), ...load.canaries]);
    load.stop();
    noted.close();
    const ofLoad = new Set(hits.map(({ kind }) => kind).filter((kind) => kind.startsWith("load ")));
    return { walked: firstWords(hits.filter(({ kind }) => !kind.startsWith("load "))), ofLoad: ofLoad.size };
  } finally {
    await house.remove();
  }
}
