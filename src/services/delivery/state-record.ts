// A group's state as it is stored: padded to one of few lengths and sealed under the key that its members bring.
import { openInto, sealInto, SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import type { PublicGroup } from "../../mls/public-group.ts";
import type { Call } from "../ports.ts";
import { LEAF_SET_LENGTH } from "./leaf-set.ts";

export interface GroupKeys {
  readonly groupId: Uint8Array;
  readonly groupKey: Uint8Array;
}

/** What stands in front of the state. */
export interface Marks {
  /** The epoch was reached by Adds: its state is kept for those who come late. */
  readonly joined: boolean;
  /** A leaf set: whose request confirms the commits that led here (run.ts). Nobody's, unless there is a run. */
  readonly voters: Uint8Array;
}

export interface StateRecord extends Marks {
  /** The encoded group. */
  readonly state: Buffer;
  readonly voters: Buffer;
  /** Seals the record again, where it lies: `state` and all views of it are then gone. */
  sealAgain(): Buffer;
}

// The store adds four bytes of length: together a record fills a power of two.
const STORE_LENGTH = 4;
const lengths = [8 << 10, 32 << 10, 128 << 10, 512 << 10, 1 << 20].map((size) => size - STORE_LENGTH);
export const SHORTEST_RECORD = (8 << 10) - STORE_LENGTH;
const NONCE = 24;
const TAG = SEAL_OVERHEAD - NONCE;
// u32 length of the state || u8 joined || voters || state || zeros
const JOINED = 4;
const VOTERS = JOINED + 1;
const STATE = VOTERS + LEAF_SET_LENGTH;

const keyOf = (call: Call, { groupId, groupKey }: GroupKeys): Buffer =>
  derive(call.arena.take(32), "groupState", groupKey, groupId);
const plainOf = (frame: Buffer): Buffer => frame.subarray(NONCE, frame.length - TAG);

/** The name of what is kept of the epoch that a key is of. */
export const epochName = (call: Call, { groupId, groupKey }: GroupKeys): Buffer =>
  derive(call.arena.take(32), "groupRecord", groupKey, groupId);

/** Fault `group/limit` for a state that is longer than the longest record. */
export function sealState(call: Call, keys: GroupKeys, group: PublicGroup, { joined, voters }: Marks): Buffer {
  const needed = SEAL_OVERHEAD + STATE + group.encodedLength;
  const length = lengths.find((one) => needed <= one);
  if (length === undefined) throw new Fault("group/limit");
  const frame = call.arena.take(length);
  const plain = plainOf(frame);
  plain.writeUInt32BE(group.encodedLength);
  plain[JOINED] = joined ? 1 : 0;
  plain.set(voters, VOTERS);
  group.encodeInto(plain.subarray(STATE));
  return sealInto(frame, plain, keys.groupId, keyOf(call, keys));
}

/** Opens a record where it lies; undefined when the key is not the one it was sealed under. */
export function openState(call: Call, keys: GroupKeys, frame: Buffer): StateRecord | undefined {
  const plain = plainOf(frame);
  const key = keyOf(call, keys);
  try {
    openInto(plain, frame, keys.groupId, key);
  } catch {
    return undefined;
  }
  return {
    state: plain.subarray(STATE, STATE + plain.readUInt32BE()),
    joined: plain[JOINED] === 1,
    voters: plain.subarray(VOTERS, STATE),
    sealAgain: () => sealInto(frame, plain, keys.groupId, key),
  };
}
