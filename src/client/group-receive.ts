// What the queue brings for groups: Welcomes, commits and messages, each taken in the order of the queue.
import { Fault } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import type { ClientGroup } from "../mls/client.ts";
import { readHandshakeOrPrivate } from "../mls/messages.ts";
import { decode } from "../wire/codec.ts";
import { friendship, groupMessage, groupMessageKinds, introductions } from "../wire/documents.ts";
import { verifyIntroduction, type Introduction } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import { adopted, commitOf } from "./group-pending.ts";
import { groupEntry, introductionOf, type GroupState } from "./group-record.ts";
import { joined, type HeldGroup } from "./groups.ts";
import type { Item } from "./inbox.ts";
import { allOrNothing, type Effect, type Parts } from "./parts.ts";

const NOTHING: Effect = { entries: [], apply: () => undefined };

/**
 * Takes one item and saves its effect with the queue's new mark. An item that is not valid for us (a replay, a forgery,
 * a group we left) has no effect and is gone: the server must not be able to stop a queue with it.
 */
export const receiveItem = (parts: Parts, item: Item): Promise<void> =>
  allOrNothing(parts, async () => {
    const { session, inbox, events, people, contacts, keyPackages } = parts;
    const effect = await effectOf(parts, item).catch(refused);
    const others = effect === NOTHING ? [] : [events, people, contacts, keyPackages].map((part) => part.entry());
    await session.sections.save(inbox.entry(), ...others, ...effect.entries);
    effect.apply();
  });

function refused(error: unknown): Effect {
  const invalid = error instanceof Fault && (error.code.startsWith("group/") || error.code.startsWith("wire/"));
  if (!invalid && !(error instanceof ClientError && error.code === "contact/unverified")) throw error;
  return NOTHING;
}

async function effectOf(parts: Parts, { kind, message }: Item): Promise<Effect> {
  if (kind === "unreadable") return NOTHING;
  if (kind === "welcome") return welcome(parts, message);
  const framed = readHandshakeOrPrivate(message);
  const isCommit = framed.wireformat === "mls_public_message";
  const { groupId, epoch } = isCommit ? framed.publicMessage.content : framed.privateMessage;
  const held = parts.groups.find(groupId);
  const mls = held?.state.mls;
  // Of another epoch: before we joined, or seen already. A sender's leaf index means something in its epoch only.
  if (held === undefined || mls === undefined || Number(epoch) !== mls.epoch) return NOTHING;
  return isCommit ? commit(parts, held, mls, message) : application(parts, held, mls, message);
}

const changed = (held: HeldGroup, state: GroupState, settle?: () => void): Effect => ({
  entries: [groupEntry(state)],
  apply() {
    held.state = state;
    settle?.();
  },
});

async function welcome(parts: Parts, message: Buffer): Promise<Effect> {
  const { groups, keyPackages, events } = parts;
  const mls = await keyPackages.join(message);
  if (mls === undefined) return NOTHING;
  const known = groups.find(mls.groupId);
  if (known?.state.mls !== undefined) return NOTHING;
  const state = joined(parts, mls);
  events.add("joinedGroup", { groupId: state.groupId });
  const apply = (): void => void (known === undefined ? groups.add(state) : (known.state = state));
  return { entries: [groupEntry(state), groups.entryWith(state.groupId)], apply };
}

async function commit(parts: Parts, held: HeldGroup, mls: ClientGroup, message: Buffer): Promise<Effect> {
  const { events } = parts;
  const { state } = held;
  const { groupId, pending } = state;
  const own = pending && commitOf(pending);
  // The server's confirmation of our own commit, in its place among the others.
  if (own !== undefined && pending !== undefined && equal(own.commit, message)) {
    return changed(held, adopted(parts, state), () => (held.adopted = pending.requestId));
  }
  const before = mls.members();
  const received = await mls.receive(message);
  if (received.kind !== "commit") return NOTHING;
  for (const leaf of received.removed) {
    const leafKey = before.find((member) => member.leafIndex === leaf)?.signaturePublicKey;
    if (leafKey !== undefined && leaf !== mls.ownLeaf) events.add("memberRemoved", { groupId, leafKey });
  }
  if (received.removedSelf) {
    events.add("removedFromGroup", { groupId });
    return changed(held, { ...state, mls: undefined, outgoing: [], pending: undefined }, () => received.settle());
  }
  const after = received.next.members();
  for (const leaf of received.added) {
    const leafKey = after.find((member) => member.leafIndex === leaf)?.signaturePublicKey;
    if (leafKey !== undefined) events.add("memberAdded", { groupId, leafKey });
  }
  // Another commit took this epoch, so ours cannot be accepted any more. A message may have been, before it.
  const rest = own === undefined ? pending : undefined;
  return changed(held, { ...state, mls: received.next, pending: rest }, () => received.settle());
}

async function application(parts: Parts, held: HeldGroup, mls: ClientGroup, message: Buffer): Promise<Effect> {
  const { events, contacts } = parts;
  const { groupId } = held.state;
  const received = await mls.receive(message);
  const sender = mls
    .members()
    .find((member) => received.kind === "application" && member.leafIndex === received.sender);
  if (received.kind !== "application" || sender === undefined) return NOTHING;
  let state: GroupState = { ...held.state, mls: received.next };
  const leafKey = sender.signaturePublicKey;
  try {
    const { kind, body } = decode(groupMessage, received.plaintext);
    if (kind === groupMessageKinds.text) events.add("message", { groupId, leafKey, text: body });
    if (kind === groupMessageKinds.introductions) state = await introduced(parts, state, body);
    if (kind === groupMessageKinds.friendship) {
      const from = introductionOf(state, leafKey)?.identity;
      if (from !== undefined) contacts.befriended(from, decode(friendship, body), events);
    }
  } catch (error) {
    // A member's nonsense: the ratchet has stepped all the same.
    refused(error);
  } finally {
    received.plaintext.fill(0);
  }
  return changed(held, state, () => received.settle());
}

/** Takes up the introductions in `body` that verify, belong to a leaf of the tree, and agree with who is known. */
async function introduced(parts: Parts, state: GroupState, body: Uint8Array): Promise<GroupState> {
  const { people, events, session } = parts;
  const { directory, clock } = session;
  const server = await directory.current();
  const members = state.mls?.members() ?? [];
  const fresh: Introduction[] = [];
  for (const document of decode(introductions, body)) {
    try {
      const found = verifyIntroduction(document, server, clock());
      const isMember = members.some(
        ({ signaturePublicKey, pseudonym }) =>
          equal(signaturePublicKey, found.leafKey) && equal(pseudonym, found.pseudonym),
      );
      // A leaf under a name that was somebody else's stays a stranger.
      const isNew = isMember && introductionOf(state, found.leafKey) === undefined;
      if (isNew && people.meet(found.identity, events)) fresh.push(found);
    } catch (error) {
      refused(error);
    }
  }
  return { ...state, introductions: [...state.introductions, ...fresh] };
}
