// All parts together, and what of them is a failure.
import { deleted, disk, type DeletedReport, type DiskReport } from "./disk.ts";
import { linkability, type Linkability } from "./linkability.ts";
import { memory, type MemoryReport } from "./memory.ts";
import { timings, type TimingReport } from "./timings.ts";
import { wire, type WireReport } from "./wire.ts";

export interface Report {
  readonly memory: MemoryReport;
  readonly disk: DiskReport & DeletedReport;
  readonly wire: WireReport & {
    readonly circuits: number;
    readonly shared_circuits: number;
    readonly control_shared_circuits: number;
    readonly timing: TimingReport;
  };
  readonly linkability: Linkability;
}

export interface Length {
  /** Milliseconds from the last reply to the look into memory. */
  readonly waitMs: number;
  /** Rounds of broken requests. */
  readonly rounds: number;
  readonly pairs: number;
  readonly users: number;
  readonly talks: number;
}
export const long: Length = { waitMs: 5_000, rounds: 6, pairs: 300, users: 30, talks: 3 };
export const short: Length = { waitMs: 2_500, rounds: 2, pairs: 50, users: 7, talks: 1 };

/** Runs every part, one after the other; `tell` is told what begins. */
export async function forensics(length: Length, tell: (part: string) => void = () => undefined): Promise<Report> {
  const { waitMs, rounds, pairs, users, talks } = length;
  tell("timing");
  const timing = await timings(pairs);
  let onDisk: DiskReport | undefined;
  tell("memory, disk, wire");
  const inMemory = await memory({
    waitMs,
    rounds,
    inspect: async ({ dataDir }, canaries) => {
      onDisk = await disk(dataDir, canaries);
    },
  });
  tell("deletion");
  const gone = await deleted();
  tell("linkability");
  const linked = await linkability(users, talks);
  const { circuits, shared_circuits, control_shared_circuits } = linked;
  return {
    memory: inMemory.report,
    disk: { ...onDisk!, ...gone },
    wire: { ...wire(inMemory.exchanges), circuits, shared_circuits, control_shared_circuits, timing },
    linkability: linked,
  };
}

/** What is not as promised, or not shown because a control failed. Each is a sentence. */
export function failures({ memory: inMemory, disk: onDisk, wire: onWire, linkability: linked }: Report): string[] {
  const { timing } = onWire;
  const rules: readonly (readonly [boolean, string])[] = [
    [inMemory.missing.length > 0, `memory: no accepted request of ${inMemory.missing.join(", ")}`],
    [inMemory.found > 0, `memory: ${inMemory.found} fragments are left`],
    [inMemory.control_missed.length > 0, `memory: the control did not see ${inMemory.control_missed.join(", ")}`],
    [
      inMemory.load.found > 0,
      `memory: under load ${inMemory.load.found} fragments are left of what was answered before`,
    ],
    [inMemory.load.of_load > inMemory.load.in_flight, `memory: more requests of the load are left than were under way`],
    [inMemory.load.control_of_load <= inMemory.load.in_flight, "memory: the control of the load saw too little"],
    [onDisk.found > 0, `disk: ${onDisk.found} places can be read`],
    [onDisk.control_found < 0.99 * onDisk.control_planted, "disk: the control was not found whole"],
    [onDisk.audit.findings.length > 0, `disk: ${onDisk.audit.findings.join("; ")}`],
    [onDisk.audit.plantedFound < onDisk.audit.planted, "disk: the audit is blind"],
    [onDisk.deleted_control_opened === 0 || onDisk.deleted === 0, "disk: nothing was deleted, or nothing stayed"],
    [onWire.shapes > 5, `wire: ${onWire.shapes} shapes`],
    [onWire.paths.length > 1, `wire: ${onWire.paths.length} paths`],
    [onWire.request_headers > 1 || onWire.reply_headers > 1, "wire: headers differ"],
    [onWire.telling.length > 0, `wire: headers ${onWire.telling.join(", ")}`],
    [onWire.control.shapes !== onWire.shapes + 1, "wire: the control was not seen"],
    [timing.told_apart.length > 0, `wire: time tells ${timing.told_apart.join(", ")} apart`],
    [!timing.control_told_apart.includes("full_empty"), "wire: the control of time was not told apart"],
    [onWire.shared_circuits > 0, `wire: ${onWire.shared_circuits} circuits are shared`],
    [onWire.control_shared_circuits !== onWire.shared_circuits + 1, "wire: the planted circuit was not seen"],
    [linked.advantage > linked.bound, `linkability: ${linked.advantage} beyond ${linked.bound}`],
    [linked.control_advantage < 0.9, "linkability: the control was not linked"],
  ];
  return rules.flatMap(([broken, sentence]) => (broken ? [sentence] : []));
}
