// How long published KeyPackages are handed out: by days, and what a queue's record says of them, so that a read needs no other.
import { type KeyPackageRecord, type QueueRecord } from "./records.ts";

type Kept = Pick<QueueRecord, "keyPackages" | "keyPackagesExpired" | "keyPackagesUntil">;
/** Later than any day that a KeyPackage may name. */
const NEVER = 0xffff;

export const NOTHING_PUBLISHED: Kept = { keyPackages: 0, keyPackagesExpired: 0, keyPackagesUntil: NEVER };

/** The record without what has run out before `day` (since 1970), and whether that was any. */
export function goodOn(record: KeyPackageRecord, day: number): { good: KeyPackageRecord; expired: boolean } {
  const isGood = ({ notAfter }: { notAfter: number }): boolean => notAfter >= day;
  const keyPackages = record.keyPackages.filter(isGood);
  const lastResort = record.lastResort.filter(isGood);
  const expired = keyPackages.length + lastResort.length < record.keyPackages.length + record.lastResort.length;
  return { good: { ...record, keyPackages, lastResort }, expired };
}

/** What the queue's record keeps of `record`, all of which is good. */
export function keptOf({ keyPackages, lastResort }: KeyPackageRecord, expired: boolean): Kept {
  const until = Math.min(NEVER, ...[...keyPackages, ...lastResort].map(({ notAfter }) => notAfter));
  return { keyPackages: keyPackages.length, keyPackagesExpired: expired ? 1 : 0, keyPackagesUntil: until };
}

/** Whether the owner should publish anew because something has run out, dropped already or not. */
export const hasExpired = ({ keyPackagesExpired, keyPackagesUntil }: Kept, day: number): boolean =>
  keyPackagesExpired === 1 || keyPackagesUntil < day;
