// The clients of one user: invited by a code, added to the list that all of them sign, removed from it, looked after.
import { randomFill } from "../crypto/random.ts";
import { SECRET_KEY_LENGTH, sign, SIGNATURE_LENGTH, signKeypair } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { blankAccount, type Account } from "./account.ts";
import { ACCOUNT } from "./circuits.ts";
import { clientIdOf, makeClientList, readClientList, signerWithin, type ClientList } from "./client-list.ts";
import { verifyCredential, type CredentialSigner, type Identity } from "./credentials.ts";
import { leaveContacts, leaveFriendship, leaveTokens } from "./device-notes.ts";
import { ClientError } from "./errors.ts";
import { allOrNothing, type Parts } from "./parts.ts";
import { proofOf } from "./registration.ts";
import type { Session } from "./session.ts";

const PREFIX = "tacet-device:";
const CODE_LENGTH = 80;
const CODE_SECONDS = 3600;
const ATTEMPTS = 3;
const secret = (): Buffer => randomFill(lockedAlloc(32));

interface Key {
  readonly publicKey: Buffer;
  readonly sign: CredentialSigner;
  readonly destroy: () => void;
}

function keyOf(seed: Uint8Array): Key {
  const publicKey = Buffer.alloc(32);
  const key = new GuardedKey(SECRET_KEY_LENGTH, (memory) => signKeypair(publicKey, memory, seed));
  return {
    publicKey,
    sign: (out, purpose, ...parts) => void key.use((memory) => sign(out, purpose, memory, ...parts)),
    destroy: () => key.destroy(),
  };
}

const isAmong = (key: Uint8Array, keys: readonly Uint8Array[]): boolean => keys.some((one) => equal(one, key));

/** One of the user's clients. */
export interface OwnDevice {
  /** Ed25519, 32 bytes: what it is known by. */
  readonly clientKey: Uint8Array;
  /** True for this very client. */
  readonly self: boolean;
  /** True for what a device code stands for, until it is used or runs out. */
  readonly invited: boolean;
}

export function devices({ account }: Parts): OwnDevice[] {
  const invited = account.record.invited.length > 0 ? keyOf(account.record.invited) : undefined;
  invited?.destroy();
  return account.clientList.clients.map((clientKey) => ({
    clientKey,
    self: equal(clientKey, account.clientKey),
    invited: invited !== undefined && equal(clientKey, invited.publicKey),
  }));
}

/** Signs the list that follows with `clients` in it, as the client that `signer` is. */
function nextList(
  { domain }: Session,
  now: ClientList,
  clients: readonly Uint8Array[],
  by: Key["sign"],
  signer: Uint8Array,
) {
  const { userId, number, document, recoveryKey } = now;
  const next = { domain, userId, number: number + 1, previous: document, recoveryKey, clients: [...clients], signer };
  return makeClientList(next, by);
}

/** Changes the list as `to` says; when another client was faster, on top of what that did. */
async function changeList(
  parts: Parts,
  to: (clients: readonly Uint8Array[]) => readonly Uint8Array[] | undefined,
  send: (clientList: Buffer) => Promise<void>,
): Promise<void> {
  const { session, account } = parts;
  for (let attempt = 1; ; attempt++) {
    const clients = to(account.clientList.clients);
    if (clients === undefined) return;
    const clientList = nextList(session, account.clientList, clients, account.sign, account.clientKey);
    try {
      await send(clientList);
      return await account.change({ clientList });
    } catch (error) {
      if (!(error instanceof Fault && error.code === "account/clients") || attempt === ATTEMPTS) throw error;
      await refresh(parts);
    }
  }
}

/**
 * A code by which one more device becomes a client of this user: text of 118 characters, good once and for an hour. Whoever
 * has it before the device has can do what a client can, so it goes from screen to screen. The same code again while one is
 * open. Fault `account/limit`.
 */
export async function inviteDevice(parts: Parts): Promise<string> {
  const { session, account } = parts;
  await refresh(parts);
  if (account.record.invited.length === 0) await account.change({ invited: secret(), invitedAt: session.clock() });
  const { invited, shared } = account.record;
  const key = keyOf(invited);
  try {
    const proof = Buffer.alloc(SIGNATURE_LENGTH);
    key.sign(proof, "credentialRequest", session.domain, Buffer.from(account.identity.name), key.publicKey);
    await changeList(
      parts,
      (clients) => (isAmong(key.publicKey, clients) ? undefined : [...clients, key.publicKey]),
      (clientList) => {
        const request = { ...account.ids, clientKey: key.publicKey, proof, clientList };
        const ask = { operation: "as.addClient", circuit: ACCOUNT, request, signer: account.signRequest } as const;
        return session.call(ask, () => undefined);
      },
    );
  } finally {
    key.destroy();
  }
  const code = lockedAlloc(CODE_LENGTH);
  code.set(invited);
  code.set(shared, 32);
  code.set(account.identity.userId, 64);
  const text = PREFIX + code.toString("base64url");
  wipe(code);
  return text;
}

/** Removes one of the clients, this one too but not the last. ClientError `account/unknown-device`. */
export async function removeDevice(parts: Parts, clientKey: Uint8Array): Promise<void> {
  const { session, account } = parts;
  await refresh(parts);
  if (!isAmong(clientKey, account.clientList.clients)) throw new ClientError("account/unknown-device");
  await changeList(
    parts,
    (clients) => (isAmong(clientKey, clients) ? clients.filter((one) => !equal(one, clientKey)) : undefined),
    (clientList) => {
      const request = { ...account.ids, clientList };
      const ask = { operation: "as.removeClient", circuit: ACCOUNT, request, signer: account.signRequest } as const;
      return session.call(ask, () => undefined);
    },
  );
}

interface News {
  readonly lists: readonly ClientList[];
  readonly endsAt: number;
  readonly attempt: number;
}

function newsFrom(
  session: Session,
  of: { userId: Uint8Array; clientId: Uint8Array },
  by: CredentialSigner,
  after: number,
) {
  const { call, domain } = session;
  const signer = (out: Uint8Array, ...parts: Uint8Array[]): void => by(out, "request", ...parts);
  const ask = { operation: "as.listClients", circuit: ACCOUNT, request: { ...of, after }, signer } as const;
  return call(ask, ({ lists, endsAt, attempt }): News => {
    const found = lists.map((document) => readClientList(document, { domain, userId: of.userId }));
    return { lists: found, endsAt, attempt };
  });
}

/** Learns of what other clients of the user have done; each list must be signed by who may. Fault `auth/signature`: this client was removed. */
export async function refresh(parts: Parts): Promise<void> {
  const { session, account, events } = parts;
  const { lists, endsAt, attempt } = await newsFrom(session, account.ids, account.sign, account.clientList.number);
  await allOrNothing(parts, async () => {
    for (const next of lists) if (signerWithin(next, account.clientList) !== undefined) account.learn(next, events);
    const { endsAt: known } = account.record;
    if (endsAt !== 0 && known === 0) events.add("deletionBegun", {});
    const changed = lists.length > 0 || endsAt !== known || attempt !== account.record.attempt;
    if (!changed) return;
    account.put({ endsAt, attempt });
    await session.sections.save(account.entry(), events.entry());
  });
}

/**
 * Looks after the device code that is open: once the device has come in by it, or it has run out, what it stands for is
 * removed; the newcomer is told of contacts and gets its share of the tokens.
 */
export async function goOnInviting(parts: Parts): Promise<void> {
  const { session, account, connects } = parts;
  const { invited, invitedAt } = account.record;
  if (invited.length === 0) return;
  const key = keyOf(invited);
  key.destroy();
  const { lists } = await newsFrom(session, account.ids, account.sign, 0);
  const at = lists.findIndex(({ signer }) => equal(signer, key.publicKey));
  const came = at < 0 ? [] : lists[at]!.clients.filter((one) => !isAmong(one, lists[at - 1]?.clients ?? []));
  if (at < 0 && session.clock() < invitedAt + CODE_SECONDS) return;
  if (isAmong(key.publicKey, account.clientList.clients)) await removeDevice(parts, key.publicKey);
  await allOrNothing(parts, async () => {
    if (at >= 0) {
      leaveContacts(parts);
      if (parts.inbox.exists) leaveFriendship(parts);
    }
    account.put({ invited: Buffer.alloc(0), invitedAt: 0 });
    for (const clientKey of came) await leaveTokens(parts, clientKey);
    await session.sections.save(account.entry(), connects.entry());
  });
}

/** Gives the other clients their share of what this one has drawn, once an epoch. */
export async function shareTokens(parts: Parts): Promise<void> {
  const { session, account, connects, tokens } = parts;
  const { epochs } = tokens;
  if (epochs <= account.record.shares) return;
  await allOrNothing(parts, async () => {
    // A client that came in this epoch had its share when it came; the first epoch is of who registered.
    const first = account.record.shares === 0;
    for (const { clientKey, self, invited } of first ? [] : devices(parts))
      if (!self && !invited) await leaveTokens(parts, clientKey);
    account.put({ shares: epochs });
    await session.sections.save(account.entry(), connects.entry());
  });
}

/**
 * Becomes a client of the user who made the code, under a key of its own. The same call again, after whatever interruption,
 * goes on with that. ClientError `account/code` (none, or used, or run out), `client/registered`.
 */
export async function join(session: Session, account: Account, text: string): Promise<void> {
  if (account.registered) throw new ClientError("client/registered");
  const code = lockedAlloc(CODE_LENGTH);
  if (!/^tacet-device:[\w-]{107}$/.test(text)) throw new ClientError("account/code");
  code.write(text.slice(PREFIX.length), "base64url");
  const [seed, shared, userId] = [code.subarray(0, 32), code.subarray(32, 64), Buffer.from(code.subarray(64))];
  try {
    const fresh = account.draft === undefined || !equal(account.draft.shared, shared);
    if (fresh) {
      const own = lockedAlloc(32);
      own.set(shared);
      await account.begin(blankAccount({ name: Buffer.alloc(0), seed: secret(), shared: own, profileKey: secret() }));
    }
    const invited = keyOf(seed);
    try {
      await enter(session, account, userId, invited);
    } finally {
      invited.destroy();
    }
  } finally {
    wipe(code);
  }
}

async function enter(session: Session, account: Account, userId: Uint8Array, invited: Key): Promise<void> {
  const own = { publicKey: account.clientKey, sign: account.sign };
  // In already, when only the answer was lost.
  const mine = await newest(session, userId, own);
  if (mine !== undefined) return entered(session, account, userId, mine);
  const now = await newest(session, userId, invited);
  if (now === undefined) throw new ClientError("account/code");
  const { name } = await self(session, userId, invited, now);
  const clientList = nextList(session, now, [...now.clients, own.publicKey], invited.sign, invited.publicKey);
  const proof = proofOf(session, account, Buffer.from(name), own.publicKey);
  const { identity } = await add(session, userId, invited, { clientKey: own.publicKey, proof, clientList });
  await account.change({ name: Buffer.from(name), credential: identity.document, clientList, joining: 1 });
}

async function entered(session: Session, account: Account, userId: Uint8Array, list: ClientList): Promise<void> {
  const own = { publicKey: account.clientKey, sign: account.sign };
  const identity = await self(session, userId, own, list);
  const name = Buffer.from(identity.name);
  await account.change({ name, credential: identity.document, clientList: list.document, joining: 1 });
}

type Signing = Pick<Key, "publicKey" | "sign">;

/** The newest list, asked for as this client; undefined when it is none of the user's. */
async function newest(session: Session, userId: Uint8Array, by: Signing): Promise<ClientList | undefined> {
  const ids = { userId, clientId: clientIdOf(userId, by.publicKey) };
  try {
    return (await newsFrom(session, ids, by.sign, 0)).lists.at(-1);
  } catch (error) {
    if (error instanceof Fault && error.code === "auth/signature") return undefined;
    throw error;
  }
}

// The addition of who is there already is answered again, and so tells a client its credential.
async function self(session: Session, userId: Uint8Array, by: Signing, now: ClientList): Promise<Identity> {
  const proof = Buffer.alloc(SIGNATURE_LENGTH);
  const { identity } = await add(session, userId, by, { clientKey: by.publicKey, proof, clientList: now.document });
  return identity;
}

async function add(
  { call, directory, clock }: Session,
  userId: Uint8Array,
  by: Signing,
  what: { readonly clientKey: Uint8Array; readonly proof: Uint8Array; readonly clientList: Uint8Array },
): Promise<{ readonly identity: Identity }> {
  const request = { userId, clientId: clientIdOf(userId, by.publicKey), ...what };
  const signer = (out: Uint8Array, ...parts: Uint8Array[]): void => by.sign(out, "request", ...parts);
  const identity = await call({ operation: "as.addClient", circuit: ACCOUNT, request, signer }, async (reply) =>
    verifyCredential(reply.credential, await directory.current(), clock()),
  );
  if (!equal(identity.userId, userId) || !equal(identity.clientKey, what.clientKey))
    throw new ClientError("contact/unverified");
  return { identity };
}

/** A client that came in by a code makes itself an inbox as soon as it has tokens, and tells the others. */
export async function settleIn(parts: Parts): Promise<void> {
  const { session, account, inbox, keyPackages, connects, tokens } = parts;
  if (account.record.joining === 0 || (!inbox.exists && tokens.count("create") < 4)) return;
  await inbox.create(tokens);
  await keyPackages.publish(account, inbox);
  await allOrNothing(parts, async () => {
    leaveFriendship(parts);
    account.put({ joining: 0 });
    await session.sections.save(account.entry(), connects.entry());
  });
}
