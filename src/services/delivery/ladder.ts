// From one epoch's key to the next one's: how a member that missed commits comes to the key of today.
import { openInto, sealInto, SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { RECOVERY_ENTRY } from "../../wire/operations-delivery.ts";
import type { Call, Handler } from "../ports.ts";
import { drop, find, keep } from "./kept.ts";
import { epochName, type GroupKeys } from "./state-record.ts";

// Room `groupNext`, sealed: u8 kind || the next key, or the entries (u16 leaf || sealed key) of those who stayed.
const NEXT_KEY = 1;
const SEALED_KEYS = 2;
const LEAF = 2;

const keyOf = (call: Call, { groupId, groupKey }: GroupKeys): Buffer =>
  derive(call.arena.take(32), "groupNext", groupKey, groupId);

/**
 * Keeps the way from an epoch to the next: the key itself where all its members stay; where some are removed, who know
 * the old key too, `recovery`, which its committer sealed for each of the others.
 */
export function keepStep(call: Call, keys: GroupKeys, next: { groupKey: Uint8Array; recovery?: Uint8Array }): void {
  const { recovery } = next;
  const value = recovery ?? next.groupKey;
  const plain = call.arena.take(1 + value.length);
  plain[0] = recovery === undefined ? NEXT_KEY : SEALED_KEYS;
  plain.set(value, 1);
  const sealed = call.arena.take(plain.length + SEAL_OVERHEAD);
  sealInto(sealed, plain, keys.groupId, keyOf(call, keys));
  keep(call, "groupNext", epochName(call, keys), sealed);
}

/** Whether a key is of an epoch that is over: of any that is kept, since the way is kept longest. */
export const hasStep = async (call: Call, keys: GroupKeys): Promise<boolean> =>
  (await find(call, "groupNext", epochName(call, keys))) !== undefined;

/** The epoch is the newest again. */
export async function forgetStep(call: Call, keys: GroupKeys): Promise<void> {
  const name = epochName(call, keys);
  const kept = await find(call, "groupNext", name);
  if (kept !== undefined) drop(call, "groupNext", name, kept);
}

/** Fault `group/unavailable` where there is no next epoch, no such group, or nothing for this leaf. */
export const recover: Handler<"ds.recover"> = async ({ groupId, groupKey, leaf }, call) => {
  const keys = { groupId, groupKey };
  const kept = await find(call, "groupNext", epochName(call, keys));
  if (kept === undefined) throw new Fault("group/unavailable");
  const plain = call.arena.take(kept.value.length - SEAL_OVERHEAD);
  openInto(plain, kept.value, groupId, keyOf(call, keys));
  const value = plain.subarray(1);
  if (plain[0] === NEXT_KEY) return { kind: NEXT_KEY, value };
  for (let at = 0; at < value.length; at += RECOVERY_ENTRY) {
    if (value.readUInt16BE(at) !== leaf) continue;
    return { kind: SEALED_KEYS, value: value.subarray(at + LEAF, at + RECOVERY_ENTRY) };
  }
  throw new Fault("group/unavailable");
};
