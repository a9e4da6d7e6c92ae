// What a failing residue test shows: enough to find out whose copy it is, on a machine that nobody can look at again.
import type { Hit } from "./scanner.ts";

const SHOWN = 40;

/** A line for each of the first hits: what it is, where it lies, and the bytes around it; what was found shows as (length). */
export function describeHits(hits: readonly Hit[]): string[] {
  const lines = hits.slice(0, SHOWN).map((hit) => {
    const { kind, form, region, address, length, offset, whole } = hit;
    const place = `${region.name} ${region.access} +0x${(address - region.start).toString(16)}`;
    const mapped = `${region.start.toString(16)}-${region.end.toString(16)}`;
    return `${kind} as ${form}: ${length} of ${whole} bytes, from ${offset} on, in ${place} (${mapped}): ${masked(hit, hits)}`;
  });
  return hits.length > SHOWN ? [...lines, `and ${hits.length - SHOWN} more`] : lines;
}

function masked({ around, address, before }: Hit, hits: readonly Hit[]): string {
  const near = hits.filter(
    (hit) => hit.address < address + around.length && hit.address + hit.length > address - before,
  );
  const words: string[] = [];
  let hidden = 0;
  for (const [i, byte] of around.entries()) {
    const at = address - before + i;
    if (near.some((hit) => at >= hit.address && at < hit.address + hit.length)) {
      hidden++;
      continue;
    }
    if (hidden > 0) words.push(`(${hidden})`);
    hidden = 0;
    words.push(byte.toString(16).padStart(2, "0"));
  }
  if (hidden > 0) words.push(`(${hidden})`);
  return words.join(" ");
}
