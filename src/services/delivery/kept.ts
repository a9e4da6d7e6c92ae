// What the delivery service keeps, and for how long: records by periods, dropped with them.
import type { Call } from "../ports.ts";

export const DAY_SECONDS = 86_400;
/** A mean Gregorian month. */
export const MONTH_SECONDS = 2_629_746;

/** How many periods a record is kept behind the one it was written in. */
export const keptPeriods = {
  groupReserved: { seconds: DAY_SECONDS, behind: 1 },
  group: { seconds: MONTH_SECONDS, behind: 12 },
  groupEpoch: { seconds: MONTH_SECONDS, behind: 1 },
  groupNext: { seconds: MONTH_SECONDS, behind: 3 },
  groupRun: { seconds: MONTH_SECONDS, behind: 1 },
  groupVote: { seconds: MONTH_SECONDS, behind: 1 },
  groupUse: { seconds: DAY_SECONDS, behind: 0 },
} as const;
export type KeptRoom = keyof typeof keptPeriods;

export interface Kept {
  readonly value: Buffer;
  readonly partition: number;
}
type Place = Pick<Kept, "partition">;

/** The period that a record written now lies in. */
export const periodOf = (call: Call, room: KeptRoom): number => Math.floor(call.now / keptPeriods[room].seconds);

/**
 * The newest record of a name that is still kept, in the arena, and the period it lies in. Looks into every period, also
 * when it has found it: what is not there takes as many steps as what is.
 */
export async function find(call: Call, room: KeptRoom, name: Uint8Array): Promise<Kept | undefined> {
  const newest = periodOf(call, room);
  let found: Kept | undefined;
  for (let partition = newest; partition >= newest - keptPeriods[room].behind; partition--) {
    const value = await call.tx.get(room, name, { partition });
    if (value !== undefined) found ??= { value, partition };
  }
  return found;
}

/** Writes a record into the current period, in the place of `before`. */
export function keep(call: Call, room: KeptRoom, name: Uint8Array, value: Uint8Array, before?: Place): void {
  const partition = periodOf(call, room);
  if (before !== undefined && before.partition !== partition) drop(call, room, name, before);
  call.tx.put(room, name, value, { partition });
}

export function drop(call: Call, room: KeptRoom, name: Uint8Array, { partition }: Place): void {
  call.tx.delete(room, name, { partition });
}
