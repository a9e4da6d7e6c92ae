// A set of leaf indices as a row of bits, in memory that its maker names.
import { Fault } from "../../fault.ts";

/** Bytes for every leaf a group can have. */
export const LEAF_SET_LENGTH = 128;

export const holds = (set: Uint8Array, leaf: number): boolean => (((set[leaf >> 3] ?? 0) >> (leaf & 7)) & 1) === 1;

/** Fault `group/limit` for a leaf that no group can have. */
export function include(set: Uint8Array, leaf: number): void {
  if (leaf >= set.length * 8) throw new Fault("group/limit");
  set[leaf >> 3] = (set[leaf >> 3] ?? 0) | (1 << (leaf & 7));
}

export function exclude(set: Uint8Array, leaf: number): void {
  if (holds(set, leaf)) set[leaf >> 3] = (set[leaf >> 3] ?? 0) & ~(1 << (leaf & 7));
}

/** In ascending order. */
export function leavesIn(set: Uint8Array): number[] {
  const leaves: number[] = [];
  for (let leaf = 0; leaf < set.length * 8; leaf++) if (holds(set, leaf)) leaves.push(leaf);
  return leaves;
}

export const countOf = (set: Uint8Array): number => leavesIn(set).length;
