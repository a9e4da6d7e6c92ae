// On which day a queue is looked at: each stands in the row of one day.
import { randomFill } from "../../crypto/random.ts";
import type { Arena } from "../../memory/arena.ts";
import type { Call } from "../ports.ts";
import { dayOf, type QueueRecord } from "./records.ts";

/** An item is gone at most so many days after its time. No message pays for it, and a queue costs one look. */
const LOOK_DAYS = 7;
/** Places in a row are below this; taken at random, so that none says when it was taken. */
export const END = 2 ** 48 - 1;

export type Looking = Pick<Call, "tx" | "arena" | "now">;

export function rowOf(arena: Arena, day: number): Buffer {
  const row = arena.take(4);
  row.writeUInt32BE(day);
  return row;
}

/** Has the queue looked at in a week; gives what its record keeps of that. */
export function register(call: Looking, queueId: Uint8Array): Pick<QueueRecord, "lookDay" | "lookSlot"> {
  const lookDay = dayOf(call.now) + LOOK_DAYS;
  const lookSlot = randomFill(call.arena.take(6)).readUIntBE(0, 6) % END;
  call.tx.putAt("queueLook", rowOf(call.arena, lookDay), lookSlot, queueId);
  return { lookDay, lookSlot };
}

/** Takes back what `register` did. */
export function unregister(call: Pick<Call, "tx" | "arena">, { lookDay, lookSlot }: QueueRecord): void {
  call.tx.deleteRange("queueLook", rowOf(call.arena, lookDay), lookSlot, lookSlot + 1);
}
