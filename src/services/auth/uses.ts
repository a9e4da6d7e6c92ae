// What accounts may do so many times a month: counted under the account's id, forgotten with the month.
import { Fault } from "../../fault.ts";
import { decode, encode, struct, u32 } from "../../wire/codec.ts";

import { PERIOD_DAYS, periodOf } from "./names.ts";
import { dayOf, type Scope } from "./records.ts";

/** Room `accountUse`, name = user id || what is counted; partition = period. */
export const accountUseRecord = struct({ count: u32, day: u32 });

export const uses = { rename: 1, takenName: 2, reset: 3, change: 4, profile: 5 } as const;
export type Use = keyof typeof uses;

const nameOf = (call: Scope, userId: Uint8Array, use: Use): Buffer => {
  const name = call.arena.take(userId.length + 1);
  name.set(userId);
  name[userId.length] = uses[use];
  return name;
};

async function read(call: Scope, name: Uint8Array, partition: number): Promise<{ count: number; day: number }> {
  const record = await call.tx.get("accountUse", name, { partition });
  return record === undefined ? { count: 0, day: 0 } : decode(accountUseRecord, record);
}

function write(call: Scope, name: Uint8Array, value: { count: number; day: number }): void {
  const record = encode(accountUseRecord, value, (size) => call.arena.take(size));
  call.tx.put("accountUse", name, record, { partition: periodOf(value.day) });
}

/** Counts one use of at most `limit` in a period of 30 days. Fault `account/limit`. The account's lock is held. */
export async function count(call: Scope, userId: Uint8Array, use: Use, limit: number): Promise<void> {
  const day = dayOf(call.now);
  const name = nameOf(call, userId, use);
  const before = await read(call, name, periodOf(day));
  if (before.count >= limit) throw new Fault("account/limit");
  write(call, name, { count: before.count + 1, day });
}

/** Fault `account/limit` when this was used less than 30 days ago; otherwise it is used today. */
export async function onceInThirtyDays(call: Scope, userId: Uint8Array, use: Use): Promise<void> {
  const day = dayOf(call.now);
  const name = nameOf(call, userId, use);
  for (const partition of [periodOf(day) - 1, periodOf(day)]) {
    const before = await read(call, name, partition);
    if (before.count > 0 && before.day + PERIOD_DAYS > day) throw new Fault("account/limit");
  }
  write(call, name, { count: 1, day });
}

/** Forgets all that was counted for an account. */
export function forgetUses(call: Scope, userId: Uint8Array): void {
  const period = periodOf(dayOf(call.now));
  for (const use of Object.keys(uses) as Use[]) {
    const name = nameOf(call, userId, use);
    for (const partition of [period - 1, period]) call.tx.delete("accountUse", name, { partition });
  }
}
