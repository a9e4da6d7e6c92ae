// The commit that waits for its confirmation, and what its acceptance means for the group.
import { ClientGroup } from "../mls/client.ts";
import { decode, encode } from "../wire/codec.ts";
import { friendship, groupMessageKinds, introductions } from "../wire/documents.ts";
import { operations, type RequestOf } from "../wire/operations.ts";
import { readIntroduction } from "./credentials.ts";
import type { GroupState, Outgoing, Pending } from "./group-record.ts";
import type { Parts } from "./parts.ts";

const shape = operations["ds.commit"];
/** Introductions in one message: an introduction takes at most 358 bytes of the 3,072 that a message's body may have. */
const PER_MESSAGE = 8;

/** The pending request's commit, if it is one. */
export const commitOf = (pending: Pending): RequestOf<"ds.commit"> | undefined =>
  pending.operation === shape.number ? decode(shape.request, pending.request) : undefined;

/** The state after the pending commit was accepted: the next epoch, and what its new members must be told. */
export function adopted(parts: Parts, state: GroupState): GroupState {
  const { pending } = state;
  if (pending === undefined) return state;
  const added = pending.introductions.map(readIntroduction);
  const known = [...state.introductions, ...added];
  const mls = ClientGroup.deserialize(pending.next);
  const outgoing = [...state.outgoing];
  if (added.length > 0) outgoing.push(...introduceAll(mls, known));
  if (pending.befriends === 1) {
    const body = encode(friendship, parts.inbox.friendship, Buffer.alloc);
    outgoing.push({ kind: groupMessageKinds.friendship, body });
  }
  return { ...state, mls, introductions: known, outgoing, pending: undefined };
}

// Everybody is introduced to everybody: the new to the old and the old to the new. Introductions prove themselves, so
// one member may pass on those of all.
function introduceAll(mls: ClientGroup, known: GroupState["introductions"]): Outgoing[] {
  const present = new Set(
    mls.members().map(({ signaturePublicKey }) => Buffer.from(signaturePublicKey).toString("hex")),
  );
  const documents = known
    .filter(({ leafKey }) => present.has(Buffer.from(leafKey).toString("hex")))
    .map(({ document }) => document);
  const messages: Outgoing[] = [];
  for (let i = 0; i < documents.length; i += PER_MESSAGE) {
    const body = encode(introductions, documents.slice(i, i + PER_MESSAGE), Buffer.alloc);
    messages.push({ kind: groupMessageKinds.introductions, body });
  }
  return messages;
}
