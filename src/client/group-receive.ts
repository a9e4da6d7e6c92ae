// What the queue brings for groups: Welcomes, handshakes and messages, each taken in the order of the queue.
import { Fault } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import type { ClientGroup } from "../mls/client.ts";
import type { Received, ReceivedCommit } from "../mls/client-results.ts";
import { readHandshakeOrPrivate } from "../mls/messages.ts";
import { decode } from "../wire/codec.ts";
import {
  AUTHENTICATOR_LENGTH,
  acceptance,
  groupMessage,
  groupMessageKinds,
  introductions,
  resetNotice,
} from "../wire/documents.ts";
import { isSameClient, verifyIntroduction, type Introduction } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import type { EventKind } from "./events.ts";
import { diverged, recovered, suspected } from "./group-health.ts";
import { asking, telling } from "./group-introduce.ts";
import { invited } from "./group-join.ts";
import { adopted, commitOf } from "./group-pending.ts";
import { endedGroup, groupEntries, healths, inNextEpoch, introductionOf, type GroupState } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";
import { itemOf, type Item } from "./inbox.ts";
import { allOrNothing, NOTHING, type Effect, type Parts } from "./parts.ts";

/** Seconds within which one of the members commits the proposals that wait, each at a moment of its own. */
const COMMIT_WITHIN = 60;

/**
 * Takes one item and saves its effect with the queue's new mark. An item that is not valid for us (a replay, a forgery,
 * a group we left) has no effect and is gone: the server must not be able to stop a queue with it.
 */
export const receiveItem = (parts: Parts, item: Item): Promise<void> =>
  allOrNothing(parts, async () => {
    const { session, inbox, series, events, people, contacts, keyPackages } = parts;
    const before = series.waiting;
    const { whole, broken } = wholeOf(parts, item);
    const effect = whole === undefined ? NOTHING : await effectOf(parts, whole).catch(refused);
    const gaps = broken ? missed(parts) : [];
    const others = effect === NOTHING && !broken ? [] : [events, people, contacts, keyPackages];
    const written = before || series.waiting ? [series, ...others] : others;
    const entries = [...gaps, effect].flatMap((one) => one.entries);
    await session.sections.save(inbox.entry(), ...written.map((part) => part.entry()), ...entries);
    for (const { apply } of [...gaps, effect]) apply();
  });

// A message in parts is whole with its last one; whatever comes between them is a sign of a gap.
function wholeOf({ series }: Parts, item: Item): { whole: Item | undefined; broken: boolean } {
  if (item.kind !== "part") {
    const broken = series.waiting;
    series.drop();
    return { whole: item, broken };
  }
  const { whole, broken } = series.take(item.message);
  return { whole: whole && itemOf(whole), broken };
}

/** Something was lost: the app is told, and every group will be looked after. */
export function missed(parts: Parts): Effect[] {
  parts.events.add("missedMessages", {});
  return parts.groups.all.flatMap((held) => {
    const state = suspected(parts, held.state);
    return state === held.state ? [] : [changed(held, state)];
  });
}

function refused(error: unknown): Effect {
  const invalid = error instanceof Fault && (error.code.startsWith("group/") || error.code.startsWith("wire/"));
  if (!invalid && !(error instanceof ClientError && error.code === "contact/unverified")) throw error;
  return NOTHING;
}

async function effectOf(parts: Parts, { kind, message }: Item): Promise<Effect> {
  if (kind === "unreadable" || kind === "part") return NOTHING;
  if (kind === "welcome") return invited(parts, message);
  if (kind === "reset") return reset(parts, message);
  const framed = readHandshakeOrPrivate(message);
  const handshake = framed.wireformat === "mls_public_message";
  const { groupId, epoch } = handshake ? framed.publicMessage.content : framed.privateMessage;
  const held = parts.groups.find(groupId);
  const mls = held?.state.mls;
  if (held === undefined || mls === undefined) return NOTHING;
  const { state } = held;
  const own = state.pending && commitOf(state.pending);
  // The server's confirmation of our own commit, in its place among the others.
  if (own !== undefined && equal(own, message)) return confirmed(parts, held);
  // Of an epoch before: before we joined, or seen already. A sender's leaf index means something in its epoch only.
  if (Number(epoch) < mls.epoch) return NOTHING;
  if (Number(epoch) > mls.epoch) return outOfStep(parts, held);
  if (!handshake) return application(parts, held, mls, message);
  let received: Received;
  try {
    received = await mls.receive(message);
  } catch (error) {
    refused(error);
    // The house took this commit and we cannot: either it is not one, or we are lost without help.
    return framed.publicMessage.content.contentType === "commit" ? outOfStep(parts, held) : NOTHING;
  }
  if (received.kind === "proposal") return proposed(parts, held, received.next);
  return received.kind === "commit" ? commit(parts, held, mls, received) : NOTHING;
}

const changed = (held: HeldGroup, state: GroupState, settle?: () => void): Effect => ({
  entries: groupEntries(state, held.state),
  apply() {
    held.state = state;
    settle?.();
  },
});

async function confirmed(parts: Parts, held: HeldGroup): Promise<Effect> {
  const { care, pending } = held.state;
  const state = recovered(parts.events, care, await adopted(parts, held.state));
  return changed(held, state, () => (held.adopted = pending!.requestId));
}

function outOfStep(parts: Parts, held: HeldGroup): Effect {
  if (held.state.care.health >= healths.diverged) return NOTHING;
  return changed(held, diverged(parts, held.state));
}

/** The house went back to an epoch: that is ours still, or one that we left. */
function reset(parts: Parts, message: Buffer): Effect {
  const { groupId, epoch } = decode(resetNotice, message);
  const held = parts.groups.find(groupId);
  const mls = held?.state.mls;
  if (held === undefined || mls === undefined || epoch > mls.epoch) return NOTHING;
  if (epoch < mls.epoch) return changed(held, diverged(parts, held.state, epoch));
  // What waits for an answer was asked in the epoch that is over.
  const { care } = held.state;
  return care.health < healths.diverged ? NOTHING : changed(held, recovered(parts.events, care, held.state));
}

function epochOf(commitMessage: Uint8Array): number {
  const framed = readHandshakeOrPrivate(commitMessage);
  return framed.wireformat === "mls_public_message" ? Number(framed.publicMessage.content.epoch) : 0;
}

function proposed({ session }: Parts, held: HeldGroup, mls: ClientGroup): Effect {
  const commitAt = held.state.commitAt || session.clock() + session.delay(COMMIT_WITHIN);
  return changed(held, { ...held.state, mls, commitAt });
}

async function commit(parts: Parts, held: HeldGroup, mls: ClientGroup, received: ReceivedCommit): Promise<Effect> {
  const { events } = parts;
  const { state } = held;
  const { groupId, pending, leaving } = state;
  const before = mls.members();
  for (const leaf of received.removed) {
    const leafKey = before.find((member) => member.leafIndex === leaf)?.signaturePublicKey;
    if (leafKey !== undefined && leaf !== mls.ownLeaf) events.add("memberRemoved", { groupId, leafKey });
  }
  if (received.removedSelf) {
    events.add(leaving ? "leftGroup" : "removedFromGroup", { groupId });
    return changed(held, endedGroup(state), () => received.settle());
  }
  const after = received.next.members();
  for (const leaf of received.added) {
    const leafKey = after.find((member) => member.leafIndex === leaf)?.signaturePublicKey;
    if (leafKey !== undefined) events.add("memberAdded", { groupId, leafKey });
  }
  // Another commit took this epoch, so ours cannot be accepted any more. A message may have been, before it; and a way back
  // into a later epoch that we were not told of yet.
  const own = pending && commitOf(pending);
  const rest = own === undefined || epochOf(own) > mls.epoch ? pending : undefined;
  const next = recovered(events, state.care, await inNextEpoch(state, received.next));
  return changed(held, { ...next, pending: rest }, () => received.settle());
}

async function application(parts: Parts, held: HeldGroup, mls: ClientGroup, message: Buffer): Promise<Effect> {
  const received = await mls.receive(message);
  const sender = mls
    .members()
    .find((member) => received.kind === "application" && member.leafIndex === received.sender);
  if (received.kind !== "application" || sender === undefined) return NOTHING;
  let state: GroupState = { ...held.state, mls: received.next };
  const leafKey = sender.signaturePublicKey;
  try {
    const { kind, authenticator, body } = decode(groupMessage, received.plaintext);
    if (!equal(authenticator, mls.epochAuthenticator.subarray(0, AUTHENTICATOR_LENGTH))) {
      // Whoever says this is of another mind about the epoch, or wants us to think so: nothing it says counts.
      state = suspected(parts, state);
    } else if (kind === groupMessageKinds.introductions) state = await introduced(parts, state, body, leafKey);
    else if (kind === groupMessageKinds.whoAreYou) state = telling(held, state, leafKey);
    else {
      heard(parts, state, { kind, body, leafKey });
      state = asking(held, state, leafKey);
    }
  } catch (error) {
    // A member's nonsense: the ratchet has stepped all the same.
    refused(error);
  } finally {
    received.plaintext.fill(0);
  }
  return changed(held, state, () => received.settle());
}

const told = new Map<number, EventKind>([
  [groupMessageKinds.text, "message"],
  [groupMessageKinds.presence, "presence"],
  [groupMessageKinds.read, "read"],
]);

/** What a member says to the people in the group. Of who is blocked nothing is shown, and nothing is said of that. */
function heard(
  { events, contacts }: Parts,
  state: GroupState,
  { kind, body, leafKey }: { readonly kind: number; readonly body: Uint8Array; readonly leafKey: Uint8Array },
): void {
  const from = introductionOf(state, leafKey)?.identity;
  if (from !== undefined && contacts.isBlocked(from.userId)) return;
  const event = told.get(kind);
  if (event !== undefined) events.add(event, { groupId: state.groupId, leafKey, text: body });
  else if (kind === groupMessageKinds.friendship && from !== undefined)
    contacts.befriended(from, decode(acceptance, body), events);
}

/**
 * Takes up the introductions in `body` that verify, belong to a leaf of the tree, and agree with who is known. One in the
 * place of another counts only from that very leaf: so its owner has another name, credential or list of clients.
 */
async function introduced(parts: Parts, state: GroupState, body: Uint8Array, sender: Uint8Array): Promise<GroupState> {
  const { directory, clock } = parts.session;
  const server = await directory.current();
  const members = state.mls?.members() ?? [];
  let all = state.introductions;
  for (const document of decode(introductions, body)) {
    try {
      const found = verifyIntroduction(document, server, clock());
      const isMember = members.some(
        ({ signaturePublicKey, pseudonym }) =>
          equal(signaturePublicKey, found.leafKey) && equal(pseudonym, found.pseudonym),
      );
      const before = all.find(({ leafKey }) => equal(leafKey, found.leafKey));
      if (!isMember || (before !== undefined && !isLater(found, before, sender))) continue;
      // A leaf under a name that was somebody else's stays a stranger.
      if (before === undefined ? !meet(parts, found) : !again(parts, found)) continue;
      all = [...all.filter((other) => other !== before), found];
    } catch (error) {
      refused(error);
    }
  }
  return all === state.introductions ? state : { ...state, introductions: all };
}

const isLater = (found: Introduction, before: Introduction, sender: Uint8Array): boolean =>
  equal(sender, found.leafKey) &&
  isSameClient(found.identity, before.identity) &&
  !equal(found.document, before.document);

const meet = ({ people, events }: Parts, { identity, clientList }: Introduction): boolean =>
  people.meet(identity, events, clientList);

function again({ people, events }: Parts, { identity, clientList }: Introduction): boolean {
  people.learn(identity, clientList, events);
  return people.rename(identity, events);
}
