// Connection packages: those for one use in a row, the last resort beside the name; all of one publisher.
import { decode } from "../../wire/codec.ts";
import { connectionPackage, splitSigned } from "../../wire/documents.ts";

import { dayOf, type NameRecord, type Scope } from "./records.ts";

const ALL = 2 ** 48;
const AT_ONCE = 8;

export const isUsable = (document: Uint8Array, today: number): boolean =>
  document.length > 0 && decode(connectionPackage, splitSigned(document).body).notAfter >= today;

/** Puts these in the place of all there were. The lock of the owner's name is held. */
export function keepPackages(call: Scope, ownerId: Uint8Array, packages: readonly Uint8Array[]): void {
  call.tx.deleteRange("connectionPackage", ownerId, 0, ALL);
  packages.forEach((document, i) => call.tx.putAt("connectionPackage", ownerId, i + 1, document));
}

/** The record of a name nobody can be reached by until somebody publishes anew. */
export function dropPackages(call: Scope, record: NameRecord): NameRecord {
  keepPackages(call, record.userId, []);
  return { ...record, lastResort: record.lastResort.subarray(0, 0) };
}

/** The first package that can still be used, and where it stood; those before it have run out. */
export async function firstUsable(
  call: Scope,
  ownerId: Uint8Array,
): Promise<{ readonly document: Buffer; readonly sequence: number } | undefined> {
  const today = dayOf(call.now);
  for (let from = 0; ;) {
    const some = await call.tx.range("connectionPackage", ownerId, from, ALL, from === 0 ? 1 : AT_ONCE);
    const found = some.find(({ value }) => isUsable(value, today));
    if (found !== undefined) return { document: found.value, sequence: found.sequence };
    const last = some.at(-1);
    if (last === undefined) return undefined;
    from = last.sequence + 1;
  }
}

/** Forgets the packages up to this one: it is handed out. */
export const takeOut = (call: Scope, ownerId: Uint8Array, sequence: number): void =>
  call.tx.deleteRange("connectionPackage", ownerId, 0, sequence + 1);
