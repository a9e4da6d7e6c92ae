// A group's record: its public MLS state, sealed under the key that its members bring with each request and the house
// forgets. Nothing else is stored about a group.
import { openInto, sealInto, SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { derive } from "../../crypto/derive.ts";
import { signKeypair } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { lockedAlloc, wipe } from "../../memory/locked.ts";
import { PublicGroup, type PublicLeaf } from "../../mls/public-group.ts";
import type { Call } from "../ports.ts";
import { find, keep, type Kept } from "./kept.ts";

// A key nobody holds: a leaf that does not exist costs and answers the same as a wrong signature.
const nobody = Buffer.alloc(32);
const discarded = lockedAlloc(64);
signKeypair(nobody, discarded);
wipe(discarded);

const recordKey = (call: Call, groupId: Uint8Array, groupKey: Uint8Array): Buffer =>
  derive(call.arena.take(32), "groupState", groupKey, groupId);

/** Seals the group's state under the members' key. The caller holds the group's lock. */
export function saveGroup(
  call: Call,
  groupId: Uint8Array,
  groupKey: Uint8Array,
  group: PublicGroup,
  before?: Kept,
): void {
  const state = call.arena.take(group.encodedLength);
  group.encodeInto(state);
  const sealed = call.arena.take(state.length + SEAL_OVERHEAD);
  sealInto(sealed, state, groupId, recordKey(call, groupId, groupKey));
  keep(call, "group", groupId, sealed, before);
}

/**
 * Runs `work` on the group and the leaf that signed the request, with the group locked. Faults `group/unavailable` for
 * an unknown group as for a key that does not open it, `auth/signature` for an empty leaf as for a forged signature.
 */
export async function asMember<T>(
  call: Call,
  { groupId, groupKey, leaf }: { groupId: Uint8Array; groupKey: Uint8Array; leaf: number },
  work: (group: PublicGroup, kept: Kept | undefined) => Promise<T>,
): Promise<T> {
  await call.tx.lock("group", groupId);
  const key = recordKey(call, groupId, groupKey);
  const kept = await find(call, "group", groupId);
  const group = PublicGroup.decode(opened(call, kept?.value, groupId, key));
  try {
    const member: PublicLeaf | undefined = group.leaf(leaf);
    call.authenticate(member?.signaturePublicKey ?? nobody);
    if (member === undefined) throw new Fault("auth/signature");
    return await work(group, kept);
  } finally {
    group.wipe();
  }
}

function opened(call: Call, sealed: Buffer | undefined, groupId: Uint8Array, key: Uint8Array): Buffer {
  if (sealed === undefined) throw new Fault("group/unavailable");
  try {
    return openInto(call.arena.take(sealed.length - SEAL_OVERHEAD), sealed, groupId, key);
  } catch {
    throw new Fault("group/unavailable");
  }
}
