// Names: found by their skeleton, so that two that look alike are never two people's; kept back for a while when given up.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { decode, encode, struct, u32 } from "../../wire/codec.ts";
import { isUserName, NAME_MAX, SKELETON_MAX, skeletonOf } from "../../wire/documents.ts";

import { dayOf, load, nameRecord, type NameRecord, type Scope } from "./records.ts";

/** Days for which nobody may take a name that was given up: not even whoever had it, of whom nothing is kept. */
export const HELD_DAYS = 90;
/** Partitions of the rooms `nameHeld` and `accountUse`. */
export const PERIOD_DAYS = 30;
export const periodOf = (day: number): number => Math.floor(day / PERIOD_DAYS);

/** Room `nameHeld`, name = skeleton, partition = period of `day`, on which the name was given up. */
export const nameHeldRecord = struct({ day: u32 });

/** Where a name is filed. What is no name has a place too, where nobody is. */
export const placeOf = (call: Scope, name: Uint8Array): Buffer =>
  skeletonOf(name.subarray(0, NAME_MAX), call.arena.take(SKELETON_MAX));

/** The record of exactly this name. */
export async function loadName(call: Scope, name: Uint8Array): Promise<NameRecord | undefined> {
  const record = await load(call, "name", nameRecord, placeOf(call, name));
  return record !== undefined && equal(record.name, name) ? record : undefined;
}

/** The record at the place of an account's own name, whose lock is held. Fault `server/error`: there must be one. */
export async function loadOwn(call: Scope, place: Uint8Array, userId: Uint8Array): Promise<NameRecord> {
  const record = await load(call, "name", nameRecord, place);
  if (record === undefined || !equal(record.userId, userId)) throw new Fault("server/error");
  return record;
}

/** Fault `account/name` for what is no user name. */
export function requireName(name: Uint8Array): void {
  if (!isUserName(name)) throw new Fault("account/name");
}

/** True when nobody has a name like this one, nor had one until lately. The name's lock is held. */
export async function isFree(call: Scope, place: Uint8Array): Promise<boolean> {
  if ((await call.tx.get("name", place)) !== undefined) return false;
  const today = dayOf(call.now);
  for (let partition = periodOf(today - HELD_DAYS); partition <= periodOf(today); partition++) {
    const held = await call.tx.get("nameHeld", place, { partition });
    if (held !== undefined && decode(nameHeldRecord, held).day + HELD_DAYS > today) return false;
  }
  return true;
}

/** Gives a name up: its record goes, its place stays closed. The name's lock is held. */
export function giveUp(call: Scope, place: Uint8Array): void {
  const day = dayOf(call.now);
  call.tx.delete("name", place);
  const record = encode(nameHeldRecord, { day }, (size) => call.arena.take(size));
  call.tx.put("nameHeld", place, record, { partition: periodOf(day) });
}
