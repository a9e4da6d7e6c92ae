// Opens a group for one request: its record, sealed under the key that its members bring with each request and the house
// forgets.
import { signKeypair } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { lockedAlloc, wipe } from "../../memory/locked.ts";
import { PublicGroup, type PublicLeaf } from "../../mls/public-group.ts";
import type { Call } from "../ports.ts";
import { find, keep, type Kept } from "./kept.ts";
import {
  epochName,
  openState,
  sealState,
  SHORTEST_RECORD,
  type GroupKeys,
  type Marks,
  type StateRecord,
} from "./state-record.ts";

// A key nobody holds: a leaf that does not exist costs and answers the same as a wrong signature.
const nobody = Buffer.alloc(32);
const discarded = lockedAlloc(64);
signKeypair(nobody, discarded);
wipe(discarded);

export interface OpenedGroup {
  readonly group: PublicGroup;
  readonly record: StateRecord;
  readonly kept: Kept;
}

export interface Member extends GroupKeys {
  readonly leaf: number;
}

const decoded = (call: Call, state: Buffer): PublicGroup => PublicGroup.decode(state, (size) => call.arena.take(size));

function opened(call: Call, keys: GroupKeys, kept: Kept | undefined): OpenedGroup {
  // where there is none, a key is tried on nothing: in as many steps as on a group that it does not open
  const record = openState(call, keys, kept?.value ?? call.arena.take(SHORTEST_RECORD));
  if (kept === undefined || record === undefined) throw new Fault("group/unavailable");
  return { group: decoded(call, record.state), record, kept };
}

/**
 * The group in its current epoch, locked. Fault `group/unavailable` for an unknown group as for a key that does not open
 * it. The caller wipes `group`.
 */
export async function openGroup(call: Call, keys: GroupKeys): Promise<OpenedGroup> {
  await call.tx.lock("group", keys.groupId);
  return opened(call, keys, await find(call, "group", keys.groupId));
}

/** The group in the epoch that the key is of, also where that is over, as long as it is kept. Faults as `openGroup`. */
export async function openEpoch(call: Call, keys: GroupKeys): Promise<OpenedGroup> {
  await call.tx.lock("group", keys.groupId);
  const past = await find(call, "groupEpoch", epochName(call, keys));
  return opened(call, keys, past ?? (await find(call, "group", keys.groupId)));
}

/** Seals the group's state under the members' key. The caller holds the group's lock. */
export function saveGroup(call: Call, keys: GroupKeys, group: PublicGroup, marks: Marks, before?: Kept): void {
  keep(call, "group", keys.groupId, sealState(call, keys, group, marks), before);
}

/** The leaf that signed the request. Fault `auth/signature` for an empty leaf as for a forged signature. */
export function authenticate(call: Call, group: PublicGroup, leaf: number | undefined): PublicLeaf {
  const member = leaf === undefined ? undefined : group.leaf(leaf);
  call.authenticate(member?.signaturePublicKey ?? nobody);
  if (member === undefined) throw new Fault("auth/signature");
  return member;
}
