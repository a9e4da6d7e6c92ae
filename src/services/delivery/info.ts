// What one must know of a group's epoch to take part in it: the tree for who was added, all that an external commit is
// made from for who has the key. Piece by piece, for a tree does not fit into a reply.
import { Fault } from "../../fault.ts";
import { encode } from "../../wire/codec.ts";
import { joinInfo as wholeInfo } from "../../wire/documents.ts";
import { CHUNK_MAX } from "../../wire/operations-delivery.ts";
import type { Handler } from "../ports.ts";
import { authenticate, openEpoch, openGroup } from "./group-state.ts";

function pieceOf(whole: Uint8Array, offset: number): { total: number; chunk: Uint8Array } {
  if (offset > whole.length) throw new Fault("group/invalid");
  return { total: whole.length, chunk: whole.subarray(offset, offset + CHUNK_MAX) };
}

/**
 * The ratchet tree of the epoch that the key is of, also when it is over, for a member of that epoch. Faults
 * `group/unavailable`, `auth/signature`, `group/invalid` for an offset behind the end.
 */
export const welcomeInfo: Handler<"ds.welcomeInfo"> = async ({ groupId, groupKey, leafKey, offset }, call) => {
  const { group } = await openEpoch(call, { groupId, groupKey });
  try {
    authenticate(call, group, group.leafOf(leafKey));
    return pieceOf(group.treeBytes, offset);
  } finally {
    group.wipe();
  }
};

/** Of the current epoch, for whoever has its key. Faults `group/unavailable`, `group/invalid` as above. */
export const joinInfo: Handler<"ds.joinInfo"> = async ({ groupId, groupKey, offset }, call) => {
  const { group } = await openGroup(call, { groupId, groupKey });
  try {
    const { groupInfo, treeBytes: tree, epoch } = group;
    const proposals = group.pending.map(({ message }) => message);
    const whole = encode(wholeInfo, { groupInfo, tree, proposals }, (size) => call.arena.take(size));
    return { epoch, ...pieceOf(whole, offset) };
  } finally {
    group.wipe();
  }
};
