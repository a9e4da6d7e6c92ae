// Becoming contacts, and ceasing to be: requests, refusals, blocks, and telling contacts how one is reached.
import { encode } from "../wire/codec.ts";
import { acceptance, connectionRequest, groupMessageKinds } from "../wire/documents.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { randomFill } from "../crypto/random.ts";
import type { Contact, ContactRequest } from "./contacts.ts";
import { discover } from "./discovery.ts";
import { ClientError } from "./errors.ts";
import { introductionOf } from "./group-record.ts";
import { keep } from "./group-request.ts";
import { replyKeyOf } from "./mailbox.ts";
import { sealOffer, type OfferContent } from "./offers.ts";
import { allOrNothing, type Parts } from "./parts.ts";

const EMPTY = Buffer.alloc(0);
const DAY = 86400;

/** Seals what goes to the holder of `sealKey`, signed by this client. */
export const sealed = ({ account }: Parts, content: OfferContent, sealKey: Uint8Array): Buffer =>
  sealOffer(account.identity, content, account.sign, sealKey);

/**
 * Looks `name` up and sends it a connection request: two anonymous calls, each for its token on its own circuit. ClientError
 * `contact/unknown-name`, `contact/unverified`, `contact/changed`, `contact/limit`, `contact/blocked`.
 */
export async function requestContact(parts: Parts, name: string): Promise<void> {
  const { session, account, inbox, people, contacts, connects, events, tokens } = parts;
  const { friendship } = inbox;
  const found = await discover(session, tokens, name);
  await allOrNothing(parts, async () => {
    if ("user" in found) {
      if (contacts.isBlocked(found.user.userId)) throw new ClientError("contact/blocked");
      people.learn(found.user, found.clientList, events, false);
      people.pin(found.user, found.clientList);
      contacts.ask(found.user);
    } else contacts.ask(found.aliasKey);
    const request = { friendship, replyKey: replyKeyOf(account.record.mailbox) };
    const body = encode(connectionRequest, request, lockedAlloc);
    const offer = sealed(parts, { kind: "request", clientList: account.clientList.document, body }, found.sealKey);
    wipe(body);
    connects.add(Buffer.from(name), offer);
    await session.sections.save(contacts.entry(), people.entry(), connects.entry(), events.entry());
  });
  await connects.flush(tokens);
}

/** Says no: only who asked can read it, and to the house it is a connection request like any other. */
export async function refuse(parts: Parts, request: ContactRequest): Promise<void> {
  const { session, account, contacts, connects, tokens } = parts;
  await allOrNothing(parts, async () => {
    const waiting = contacts.request(request.identity);
    contacts.drop(waiting);
    const content = { kind: "refusal", clientList: account.introducedList, body: EMPTY } as const;
    connects.add(Buffer.from(waiting.identity.name), sealed(parts, content, waiting.replyKey));
    await session.sections.save(contacts.entry(), connects.entry());
  });
  await connects.flush(tokens);
}

/**
 * Nothing of this user comes through any more, and what it knows of how this client is reached is of no use: friendship
 * token and keys are replaced, and all other contacts told. ClientError `contact/unknown`.
 */
export async function block(parts: Parts, name: string): Promise<void> {
  const { session, account, people, contacts, inbox } = parts;
  const known = [...contacts.all, ...contacts.requests].find((other) => other.name === name);
  const userId = known?.identity.userId ?? people.userOf(name);
  if (userId === undefined || equal(userId, account.identity.userId)) throw new ClientError("contact/unknown");
  await allOrNothing(parts, async () => {
    contacts.block(userId, name);
    contacts.setTold(false);
    account.put({ profileKey: randomFill(lockedAlloc(32)) });
    const rotating = inbox.exists ? [inbox.beginRotation()] : [];
    await session.sections.save(contacts.entry(), account.entry(), ...rotating);
  });
  await goOnRotating(parts);
}

/** Goes on with a rotation that was begun. */
export async function goOnRotating({ account, inbox, keyPackages }: Parts): Promise<void> {
  if (!inbox.rotating) return;
  await inbox.rotate();
  await keyPackages.publish(account, inbox);
  await inbox.endRotation();
}

/** Tells contacts, in a group that one has with them, how this client is reached now. */
export async function tellContacts(parts: Parts): Promise<void> {
  const { contacts, groups, inbox, people } = parts;
  if (!inbox.exists || inbox.rotating) return;
  for (const userId of contacts.untold) {
    for (const held of groups.all) {
      const { mls } = held.state;
      const theirs = (mls?.members() ?? []).filter(({ signaturePublicKey }) => {
        const found = introductionOf(held.state, signaturePublicKey)?.identity;
        return found !== undefined && equal(found.userId, userId) && people.knows(found);
      });
      if (mls === undefined || theirs.length === 0) continue;
      await allOrNothing(parts, async () => {
        const body = encode(acceptance, { friendship: inbox.friendship, aliasLink: EMPTY }, Buffer.alloc);
        const kind = groupMessageKinds.friendship;
        const told = theirs.map(({ signaturePublicKey }) => ({ kind, body, to: signaturePublicKey }));
        contacts.setTold(true, userId);
        await keep(parts, held, { ...held.state, outgoing: [...held.state.outgoing, ...told] }, contacts.entry());
      });
      break;
    }
  }
}

/**
 * Looks one contact up, when its turn has come: so a reset, or a device more or less, shows also where there is no group in
 * common. One a day, at a moment of its own.
 */
export async function watchContacts(parts: Parts): Promise<void> {
  const { session, people, contacts, events, tokens } = parts;
  const now = session.clock();
  const whom = contacts.watched(now, now + DAY / 2 + session.delay(DAY));
  await session.sections.save(contacts.entry());
  if (whom === undefined || tokens.count("discover") === 0) return;
  await look(parts, whom);
  await session.sections.save(people.entry(), events.entry());
}

/** What the house says of a contact now, as far as its keys say it too. */
export async function look({ session, people, events, tokens }: Parts, { name }: Contact): Promise<void> {
  try {
    const found = await discover(session, tokens, name);
    if (!("user" in found)) return;
    people.learn(found.user, found.clientList, events, false);
    if (!people.agrees(found.user)) people.flag(found.user, events);
  } catch (error) {
    // Gone, renamed, or the house's word alone: nothing to go by.
    if (!(error instanceof ClientError && error.code.startsWith("contact/"))) throw error;
  }
}
