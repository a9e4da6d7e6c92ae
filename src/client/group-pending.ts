// The commit that waits for its confirmation, and what its acceptance means for the group.
import { ClientGroup } from "../mls/client.ts";
import { equal } from "../memory/locked.ts";
import { decode, encode, type Codec } from "../wire/codec.ts";
import { acceptance, groupMessageKinds, introductions } from "../wire/documents.ts";
import { operationOfNumber, operations, type OperationName } from "../wire/operations.ts";
import { readIntroduction, type Introduction } from "./credentials.ts";
import { endedGroup, inNextEpoch, type GroupState, type Outgoing, type Pending } from "./group-record.ts";
import type { Parts } from "./parts.ts";

/** Bytes of a message's body (documents.ts). */
const BODY_MAX = 3072;
const EVERYBODY = Buffer.alloc(0);

const COMMITS: ReadonlySet<OperationName> = new Set(["ds.commit", "ds.commitLarge", "ds.resync", "ds.delete"]);
export const isCommit = (operation: OperationName): boolean => COMMITS.has(operation);

/** The pending request's commit, if it is one. */
export function commitOf(pending: Pending): Uint8Array | undefined {
  const operation = operationOfNumber(pending.operation);
  if (operation === undefined || !isCommit(operation)) return undefined;
  const codec = operations[operation].request as unknown as Codec<{ commit: Uint8Array }>;
  return decode(codec, pending.request).commit;
}

/**
 * The state after the pending commit was accepted: the next epoch, and what its new members must be told. The app is told
 * who has left with it.
 */
export async function adopted(parts: Parts, state: GroupState): Promise<GroupState> {
  const { pending, groupId } = state;
  if (pending === undefined) return state;
  const members = state.mls?.members() ?? [];
  for (const { leaf } of state.mls?.pending ?? []) {
    const leafKey = members.find(({ leafIndex }) => leafIndex === leaf)?.signaturePublicKey;
    if (leafKey !== undefined) parts.events.add("memberRemoved", { groupId, leafKey });
  }
  if (operationOfNumber(pending.operation) === "ds.delete") return endedGroup(state);
  const added = pending.introductions.map(readIntroduction);
  const known = added.length === 0 ? state.introductions : [...state.introductions, ...added];
  const mls = ClientGroup.deserialize(pending.next);
  const outgoing = [...state.outgoing, ...introduceAll(mls, known, added)];
  if (pending.befriends === 1) {
    const { friendship } = parts.inbox;
    for (const { leafKey, identity } of added) {
      const body = encode(acceptance, { friendship, aliasLink: parts.aliases.linkFor(identity.userId) }, Buffer.alloc);
      outgoing.push({ kind: groupMessageKinds.friendship, body, to: leafKey });
    }
  }
  return { ...(await inNextEpoch(state, mls)), introductions: known, outgoing, pending: undefined };
}

/** What tells these introductions: to everybody, or to the one with the leaf key `to`. */
export function introductionMessages(of: readonly Introduction[], to: Uint8Array): Outgoing[] {
  const groups: Uint8Array[][] = [];
  for (const { document } of of) {
    const last = groups.at(-1);
    if (last !== undefined && introductions.size([...last, document]) <= BODY_MAX) last.push(document);
    else groups.push([document]);
  }
  const { introductions: kind } = groupMessageKinds;
  return groups.map((documents) => ({ kind, body: encode(introductions, documents, Buffer.alloc), to }));
}

// Everybody is introduced to everybody: the new to all, the old to the new. Introductions prove themselves, so one member
// may pass on those of all. Where many are new it takes fewer messages to tell all of it to everybody.
function introduceAll(mls: ClientGroup, known: readonly Introduction[], added: readonly Introduction[]): Outgoing[] {
  if (added.length === 0) return [];
  const isNew = ({ leafKey }: Introduction): boolean => added.some((other) => equal(other.leafKey, leafKey));
  const keys = mls.members().map(({ signaturePublicKey }) => signaturePublicKey);
  const present = known.filter(({ leafKey }) => keys.some((key) => equal(key, leafKey)));
  const old = present.filter((one) => !isNew(one));
  const toNew = added.flatMap(({ leafKey }) => introductionMessages(old, leafKey));
  const toAll = keys.length > 2 ? introductionMessages(added, EVERYBODY) : [];
  const apart = [...toAll, ...toNew];
  const together = introductionMessages(present, EVERYBODY);
  return added.length === 1 || apart.length <= together.length ? apart : together;
}
