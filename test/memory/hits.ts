// What a failing residue test shows: enough to find out whose copy it is, on a machine that nobody can look at again.
import type { Hit } from "./scanner.ts";

/** Hits counted by kind, form and region, most first. */
export function countHits(hits: readonly Hit[]): [what: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { kind, form, region } of hits) {
    const what = `${kind} as ${form} in ${region.name}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].toSorted(([, a], [, b]) => b - a);
}

/** A line for each hit: what it is, where it lies, and the bytes around it, in which whatever was found is hidden. */
export function describeHits(hits: readonly Hit[]): string[] {
  return hits.map((hit) => {
    const { kind, form, region, address, length, offset, whole } = hit;
    const place = `${region.name} ${region.access} +0x${(address - region.start).toString(16)} of 0x${(region.end - region.start).toString(16)}`;
    return `${kind} as ${form}: ${length} of ${whole} bytes from its ${offset}. at 0x${address.toString(16)} (${place}): ${masked(hit, hits)}`;
  });
}

function masked({ around, address, before }: Hit, hits: readonly Hit[]): string {
  const began = address - before;
  const hidden = (at: number): boolean => hits.some((hit) => at >= hit.address && at < hit.address + hit.length);
  return Array.from(around, (byte, i) => (hidden(began + i) ? "**" : byte.toString(16).padStart(2, "0"))).join(" ");
}
