// `tacet audit`: what the files of a house show to who has its disk and no key.
import { readChecked } from "./checked.ts";
import type { Houses } from "./houses.ts";
import type { Terminal } from "./terminal.ts";

/** Prints what was found and what can be seen anyway; false when something was found that should not be there. */
export async function audit(
  options: { readonly config: string },
  houses: Houses,
  terminal: Terminal,
): Promise<boolean> {
  const seen = await houses.auditHouse({ config: readChecked(options.config) });
  const { files, bytes, records, lengths, rows, periods, findings, planted, plantedFound } = seen;
  const blind = plantedFound < planted;
  const ok = findings.length === 0 && !blind;
  if (terminal.json) {
    terminal.out(JSON.stringify({ ok, ...seen, lengths: Object.fromEntries(lengths) }));
    return ok;
  }
  terminal.out(`looked at   ${files} files, ${bytes} bytes, ${records} records, on a copy and without a key`);
  for (const finding of findings) terminal.out(`FOUND       ${finding}`);
  if (findings.length === 0)
    terminal.out("found       nothing readable, nothing unsealed, no length that is not padded");
  if (blind) terminal.out(`BLIND       of ${planted} faults planted in the copy only ${plantedFound} were found`);
  else terminal.out(`control     ${plantedFound} of ${planted} faults that were planted in the copy were found`);
  terminal.out("what remains to be seen by who has the disk:");
  terminal.out(`  ${records} records of ${lengths.length} lengths: how many have each, with --json`);
  terminal.out(
    `  ${rows} rows of more than one record in order (queues, offers, lists of clients), ${periods} periods`,
  );
  terminal.out("  the order and number of writes, and the times of files (threat-model/leakage.md)");
  return ok;
}
