// `npm run forensics -- [--json] [--short]`: memory, files and wire of a house, looked at from outside.
import { parseArgs } from "node:util";
import { memoryReason } from "./memory.ts";
import { failures, forensics, long, short, type Report } from "./forensics.ts";

const help = `Usage: npm run forensics -- [--json] [--short]

Walks every operation against a house in a process of its own, then searches its memory, its files and what passed over
its socket; measures whether reply times tell what they must not; and plays an honest but curious server against people
whose relations are known. Every part has a control, which plants the fault and must find it.

--short  fewer people, shorter waits: what npm test runs
--json   one object on standard output
Exit: 0 as promised, 1 something was found or a control failed, 2 unknown argument, 3 this process may not read others' memory.`;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function lines({ memory, disk, wire, linkability }: Report): string[] {
  const { timing } = wire;
  const pairs = ["found_not_found", "full_empty", "spent_invalid", "spent_unspent", "refused_served"] as const;
  return [
    `memory       ${memory.found} fragments of ${memory.canaries} canaries of ${memory.operations} operations, ${memory.requests} requests and ${memory.broken} broken ones, ${memory.waited_ms} ms after the last reply`,
    `  control    ${memory.control_found} operations are found in a house that keeps copies`,
    `  load       ${memory.load.requests} requests meanwhile: ${memory.load.found} fragments of earlier ones, ${memory.load.of_load} of ${memory.load.in_flight} under way (control ${memory.load.control_of_load})`,
    ...memory.where.map((line) => `  where      ${line}`),
    `disk         ${disk.found} places in ${disk.files} files of ${disk.bytes} bytes; control ${disk.control_found} of ${disk.control_planted}`,
    `  deleted    ${disk.deleted_opened} of ${disk.deleted} deleted records open from an earlier image with the master key (${Object.entries(
      disk.opened,
    )
      .map(([area, count]) => `${area} ${count}`)
      .join(", ")}); control ${disk.deleted_control_opened} that stayed`,
    `wire         ${wire.shapes} shapes, ${wire.paths.length} path, ${wire.request_headers} and ${wire.reply_headers} sets of headers in ${wire.exchanges} requests`,
    `  circuits   ${wire.shared_circuits} of ${wire.circuits} are shared; control ${wire.control_shared_circuits}`,
    ...pairs.map((name) => {
      const {
        median_us: [one, other],
        advantage,
        z,
      } = timing[name];
      return `  time       ${name}: ${one} and ${other} us, ${percent(advantage)}, z ${z.toFixed(1)}; control ${percent(timing.control[name].advantage)}`;
    }),
    `linkability  ${linkability.users} people, ${linkability.groups} groups, ${linkability.requests} requests: control ${percent(linkability.control_advantage)}`,
    ...linkability.relations.map(
      ({ relation, advantage, bound, signal }) =>
        `  ${relation}: ${percent(advantage)} (chance allows ${percent(bound)}) by ${signal}`,
    ),
    ...linkability.known.map(
      ({ relation, advantage, said }) => `  known: ${relation}: ${percent(advantage)} (${said})`,
    ),
  ];
}

let given: { json?: boolean | undefined; short?: boolean | undefined; help?: boolean | undefined } | undefined;
try {
  given = parseArgs({
    options: { json: { type: "boolean" }, short: { type: "boolean" }, help: { type: "boolean" } },
  }).values;
} catch {
  given = undefined;
}
if (given === undefined || given.help === true) {
  console[given === undefined ? "error" : "log"](help);
  process.exit(given === undefined ? 2 : 0);
}
const reason = await memoryReason();
if (reason !== undefined) {
  console.error(reason);
  process.exit(3);
}
const report = await forensics(given.short === true ? short : long, (part) => console.error(`${part} ...`));
const failed = failures(report);
if (given.json === true) console.log(JSON.stringify({ ...report, failed }));
else for (const line of [...lines(report), ...failed.map((sentence) => `FAILED       ${sentence}`)]) console.log(line);
process.exit(failed.length === 0 ? 0 : 1);
