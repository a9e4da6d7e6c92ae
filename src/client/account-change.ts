// Changes of the own account: another name, a credential renewed in time, its end.
import { randomBelow } from "../crypto/random.ts";
import { SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import { decode } from "../wire/codec.ts";
import { credential, isUserName, splitSigned } from "../wire/documents.ts";
import { ACCOUNT } from "./circuits.ts";
import { verifyCredential, type Identity } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import { isStale } from "./mailbox.ts";
import type { Parts } from "./parts.ts";
import { withRecoveryKey } from "./recovery.ts";
import { publishPackages } from "./registration.ts";

const DAY = 86400;
/** A credential is renewed when this much of it is left, or a little less: KeyPackages live for 60 days of its 90. Days. */
const LEFT = 40;
const JITTER = 7 * DAY;
const RETRY = DAY;

/** The own credential in an answer. ClientError `contact/unverified` for somebody else's. */
async function ownCredential({ session, account }: Parts, document: Uint8Array, name?: string): Promise<Identity> {
  const found = verifyCredential(document, await session.directory.current(), session.clock(), name);
  const { userId, clientKey } = account.identity;
  if (!equal(found.userId, userId) || !equal(found.clientKey, clientKey)) throw new ClientError("contact/unverified");
  return found;
}

/** Everything that carries the credential is made anew with it; groups are told by `tend`. */
async function adopt(parts: Parts, { document, name }: Identity): Promise<void> {
  const { session, account, inbox, keyPackages } = parts;
  await account.change({ credential: document, name: Buffer.from(name), renewAt: renewalOf(document) });
  await publishPackages(session, account);
  if (inbox.exists) await keyPackages.publish(account, inbox);
}

function renewalOf(document: Uint8Array): number {
  const { notAfter } = decode(credential, splitSigned(document).body);
  return (notAfter - LEFT) * DAY + randomBelow(JITTER);
}

/**
 * Takes another name, once in 30 days; contacts are told in the groups, by the next `sync`. The old name is nobody's for 90
 * days. Repeating it is safe. Fault `account/name`, `account/taken`, `account/limit`.
 */
export async function rename(parts: Parts, name: string): Promise<void> {
  const { session, account } = parts;
  const nameBytes = Buffer.from(name);
  if (!isUserName(nameBytes)) throw new Fault("account/name");
  const request = { ...account.ids, name: nameBytes };
  const ask = { operation: "as.rename", circuit: ACCOUNT, request, signer: account.signRequest } as const;
  const renamed = await session.call(ask, (reply) => {
    if (reply.taken === 1) throw new Fault("account/taken");
    return ownCredential(parts, reply.credential, name);
  });
  await adopt(parts, renamed);
}

/** Renews the credential when its moment has come, and connection packages that grow old. */
export async function keepFresh(parts: Parts): Promise<void> {
  const { session, account } = parts;
  const now = session.clock();
  if (account.record.renewAt === 0) await account.change({ renewAt: renewalOf(account.identity.document) });
  if (now >= account.record.renewAt) await renew(parts);
  else if (isStale(account.record.mailbox, now)) await publishPackages(session, account);
}

/** Asks for a fresh credential: before the old one runs out, and when another client has taken another name. */
export async function renew(parts: Parts): Promise<void> {
  const { session, account } = parts;
  const { ids: request, signRequest: signer } = account;
  try {
    const ask = { operation: "as.renewCredential", circuit: ACCOUNT, request, signer } as const;
    await adopt(parts, await session.call(ask, (reply) => ownCredential(parts, reply.credential)));
  } catch (error) {
    if (!(error instanceof Fault && error.code === "account/limit")) throw error;
    await account.change({ renewAt: session.clock() + RETRY });
  }
}

/**
 * Ends the account: at once with the recovery words; without them a day from now, until when any client can cancel. Resolves
 * to the moment (unix seconds), 0 for at once. Fault `auth/signature` (other words), `account/conflict`.
 */
export async function deleteAccount(parts: Parts, words?: string): Promise<number> {
  const { session, account } = parts;
  const ends = account.record.endsAt;
  // Under way already: the same attempt is answered again.
  const attempt = ends === 0 ? account.record.attempt + 1 : account.record.attempt;
  const send = (recovery: Uint8Array): Promise<number> => {
    const request = { ...account.ids, attempt, recovery };
    const ask = { operation: "as.deleteAccount", circuit: ACCOUNT, request, signer: account.signRequest } as const;
    return session.call(ask, ({ endsAt }) => endsAt);
  };
  const recovery = Buffer.alloc(SIGNATURE_LENGTH);
  const number = Buffer.alloc(4);
  number.writeUInt32BE(attempt);
  const { userId } = account.identity;
  const endsAt =
    words === undefined
      ? await send(Buffer.alloc(0))
      : await withRecoveryKey(words, (key) => {
          key.sign(recovery, "deletion", session.domain, userId, number);
          return send(recovery);
        });
  await account.change({ endsAt, attempt });
  return endsAt * 3600;
}

/** Calls a deletion off that is under way. Fault `account/conflict`. */
export async function cancelDeletion({ session, account }: Parts): Promise<void> {
  const request = { ...account.ids, attempt: account.record.attempt };
  const ask = { operation: "as.cancelDeletion", circuit: ACCOUNT, request, signer: account.signRequest } as const;
  await session.call(ask, () => undefined);
  await account.change({ endsAt: 0 });
}
