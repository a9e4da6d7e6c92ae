// What the own account means for a group: the own leaf says who one is now, the user's other clients are members too, and
// those that were removed are not.
import { equal } from "../memory/locked.ts";
import { encode } from "../wire/codec.ts";
import { groupMessageKinds, introductions } from "../wire/documents.ts";
import { isSameClient, makeIntroduction, readIntroduction } from "./credentials.ts";
import { change } from "./group-commit.ts";
import { healths, introductionOf, isLeaving } from "./group-record.ts";
import { keep } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import type { Parts } from "./parts.ts";

const EVERYBODY = Buffer.alloc(0);

/** Makes the group fit to the account as it is now. Nothing to do is the rule. */
export async function tend(parts: Parts, held: HeldGroup): Promise<void> {
  const { mls, leaving, care } = held.state;
  if (mls === undefined || leaving || isLeaving(mls) || care.health !== healths.good) return;
  await introduceAnew(parts, held);
  await bringClients(parts, held);
}

// Another name, another credential, another list of clients: the own leaf's introduction is replaced, and sent.
async function introduceAnew(parts: Parts, held: HeldGroup): Promise<void> {
  const { account } = parts;
  const { mls, introductions: known, outgoing } = held.state;
  const own = mls!.members().find(({ leafIndex }) => leafIndex === mls!.ownLeaf)!;
  const before = introductionOf(held.state, own.signaturePublicKey);
  const now = account.introducedList;
  if (
    before !== undefined &&
    equal(before.identity.document, account.identity.document) &&
    equal(before.clientList, now)
  )
    return;
  const leaf = { pseudonym: own.pseudonym, leafKey: own.signaturePublicKey };
  const document = makeIntroduction(account.identity, account.sign, leaf, now);
  const body = encode(introductions, [document], Buffer.alloc);
  const message = { kind: groupMessageKinds.introductions, body, to: EVERYBODY };
  await keep(parts, held, {
    ...held.state,
    introductions: [...known.filter((other) => other !== before), readIntroduction(document)],
    outgoing: [...outgoing, message],
  });
}

// The first of the user's clients in the group does it for all. Who may not add others cannot bring them.
async function bringClients(parts: Parts, held: HeldGroup): Promise<void> {
  const { account, contacts, keyPackages, tokens } = parts;
  const { mls } = held.state;
  const members = mls!.members().flatMap(({ signaturePublicKey: leafKey }) => {
    const identity = introductionOf(held.state, leafKey)?.identity;
    const own = identity !== undefined && equal(identity.userId, account.identity.userId);
    return own ? [{ leafKey, identity }] : [];
  });
  const { clients } = account.clientList;
  const present = clients.filter((key) => members.some(({ identity }) => equal(identity.clientKey, key)));
  const isAdmin = mls!.isAdmin(mls!.ownLeaf);
  if (present[0] === undefined || !equal(present[0], account.clientKey)) return;
  const absent = contacts.siblings.filter(
    ({ identity }) => !members.some((one) => isSameClient(one.identity, identity)),
  );
  const gone = members.filter(({ identity }) => !clients.some((key) => equal(key, identity.clientKey)));
  const mayAdd = (isAdmin || mls!.policy.membersMayAdd) && !mls!.policy.connection;
  const remove = isAdmin ? gone.map(({ leafKey }) => leafKey) : [];
  const add = mayAdd && absent.length > 0 ? await keyPackages.claimAll({ devices: absent }, tokens) : [];
  if (add.length + remove.length === 0) return;
  const pseudonyms = add.map(({ introduction }) => introduction.pseudonym);
  // What one client of a user may, the others may.
  const policy = isAdmin && add.length > 0 ? { policy: withAdmins(pseudonyms) } : {};
  await change(parts, held, { add, remove, ...policy });
}

const withAdmins =
  (fresh: readonly Uint8Array[]) =>
  ({ policy }: { readonly policy: { readonly admins: readonly Uint8Array[] } }) => ({
    admins: [...policy.admins, ...fresh],
  });
