// What the clients of one user leave for each other, in the direct queue behind their own name: sealed to a key that only
// they have, to the house offers like all others.
import { randomFill } from "../crypto/random.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { decode, encode, fixed, list, struct, u32, type ValueOf } from "../wire/codec.ts";
import { contactNote, deviceNote, deviceNoteKinds, friendship, OFFER_BODY_MAX } from "../wire/documents.ts";
import type { TokenClass } from "../wire/operations.ts";
import { readCredential } from "./credentials.ts";
import { sealed } from "./friends.ts";
import { keepLocked } from "./keep.ts";
import { keepFriendship, type Offer } from "./offers.ts";
import type { Parts } from "./parts.ts";

/** Tokens of each class that every other client gets, in notes of at most 15. */
const SHARES: readonly (readonly [TokenClass, number])[] = [
  ["create", 15],
  ["discover", 15],
  ["connect", 15],
  ["deliver", 15],
  ["deliver", 15],
];
const PER_NOTE = 4;
/** In front of a note's body. */
const HEAD = 5;

const contactNotes = list(contactNote, PER_NOTE);
/** `clientKey`: of the one client that it is for. */
const tokensNote = struct({ clientKey: fixed(32) });
const profileNote = struct({ profileKey: fixed(32), version: u32 });

function leave(parts: Parts, kind: keyof typeof deviceNoteKinds, body: Uint8Array): void {
  const { account, connects } = parts;
  const key = account.sharedKey();
  const note = encode(deviceNote, { kind: deviceNoteKinds[kind], body }, lockedAlloc);
  const content = { kind: "device", clientList: Buffer.alloc(0), body: note } as const;
  connects.add(Buffer.from(account.identity.name), sealed(parts, content, key.publicKey));
  key.destroy();
  wipe(note);
}

/** Tells the other clients who the contacts are, and of the profile; in memory, for `connects` to send. */
export function leaveContacts(parts: Parts): void {
  const { contacts, people } = parts;
  const notes = contacts.all.flatMap(({ devices, verified }) =>
    devices.map(({ identity, friendship: theirs }) => ({
      credential: identity.document,
      clientList: people.listOf(identity.userId)?.document ?? Buffer.alloc(0),
      friendship: theirs,
      verified: verified ? 1 : 0,
    })),
  );
  for (let rest = notes; rest.length > 0;) {
    let some = rest.slice(0, PER_NOTE);
    while (some.length > 1 && contactNotes.size(some) > OFFER_BODY_MAX - HEAD) some = some.slice(0, -1);
    leave(parts, "contact", encode(contactNotes, some, lockedAlloc));
    rest = rest.slice(some.length);
  }
  leaveProfile(parts);
}

/** Tells the other clients the profile's key and version. */
export function leaveProfile(parts: Parts): void {
  const { profileKey, profileVersion: version } = parts.account.record;
  leave(parts, "profile", encode(profileNote, { profileKey, version }, lockedAlloc));
}

/** Tells the other clients how this one is reached. */
export const leaveFriendship = (parts: Parts): void =>
  leave(parts, "friendship", encode(friendship, parts.inbox.friendship, lockedAlloc));

/** Gives another client its share of the tokens that this one has drawn; those are gone from the wallet when this resolves. */
export async function leaveTokens(parts: Parts, clientKey: Uint8Array): Promise<void> {
  const out = randomFill(lockedAlloc(OFFER_BODY_MAX - HEAD));
  try {
    out.set(encode(tokensNote, { clientKey }, Buffer.alloc));
    for (const [tokenClass, count] of SHARES) {
      const shared = await parts.tokens.share(tokenClass, count, out.subarray(32));
      if (shared !== undefined) leave(parts, "tokens", out.subarray(0, 32 + shared.length));
    }
  } finally {
    wipe(out);
  }
}

/** Takes up a note of another client; saving is the caller's, but for tokens, which are saved when this resolves. */
export async function takeNote(parts: Parts, { from, body }: Offer): Promise<void> {
  const { account, contacts, people, tokens } = parts;
  if (!equal(from.userId, account.identity.userId) || equal(from.clientKey, account.clientKey)) return;
  if (!account.clientList.clients.some((one) => equal(one, from.clientKey))) return;
  try {
    const { kind, body: note } = decode(deviceNote, body);
    if (kind === deviceNoteKinds.tokens) {
      if (equal(note.subarray(0, 32), account.clientKey)) await tokens.receive(note.subarray(32));
    } else if (kind === deviceNoteKinds.contact) {
      for (const one of decode(contactNotes, note)) takeContact(one);
    } else if (kind === deviceNoteKinds.friendship) {
      contacts.setSibling({ identity: from, friendship: keepFriendship(decode(friendship, note)) });
    } else if (kind === deviceNoteKinds.profile) {
      const { profileKey, version } = decode(profileNote, note);
      if (version >= account.record.profileVersion)
        account.put({ profileKey: keepLocked(profileKey), profileVersion: version });
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && /^(?:wire|contact|store)\//.test(String(error.code))))
      throw error;
  }

  function takeContact(one: ValueOf<typeof contactNote>): void {
    const identity = readCredential(one.credential);
    if (contacts.isBlocked(identity.userId) || !people.agrees(identity)) return;
    people.pin(identity, one.clientList);
    contacts.put({ identity, friendship: one.friendship }, { told: false });
    if (one.verified === 1) contacts.setVerified(identity.userId, true);
  }
}
