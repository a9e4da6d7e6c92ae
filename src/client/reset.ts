// Back with nothing but the name and the recovery words: a new client takes the place of all there were.
import { randomFill } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { equal, lockedAlloc } from "../memory/locked.ts";
import { isUserName } from "../wire/documents.ts";
import { blankAccount, type Account } from "./account.ts";
import { ACCOUNT } from "./circuits.ts";
import { makeClientList, readClientList, type ClientList } from "./client-list.ts";
import { verifyCredential } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import { withRecoveryKey, type RecoveryKey } from "./recovery.ts";
import { proofOf, publishPackages } from "./registration.ts";
import type { Session } from "./session.ts";

const secret = (): Buffer => randomFill(lockedAlloc(32));

/**
 * Everything but name, user id and recovery words is replaced. The client's key and the list it asks for are saved first:
 * the same call again, after whatever interruption, goes on with them. Fault `auth/signature` (not this name's words),
 * `account/limit` (once in 30 days); ClientError `account/words`, `client/registered`, `contact/unverified`.
 */
export async function reset(session: Session, account: Account, words: string, name: string): Promise<void> {
  if (account.registered) throw new ClientError("client/registered");
  const nameBytes = Buffer.from(name);
  if (!isUserName(nameBytes)) throw new Fault("account/name");
  await withRecoveryKey(words, async (recovery) => {
    const now = await newest(session, nameBytes, recovery);
    const { draft } = account;
    const mine = draft !== undefined && draft.clientList.length > 0 && equal(draft.name, nameBytes);
    // Asked for and answered, or asked for and not seen: the same list again. Otherwise another one came between.
    const goesOn = mine && (equal(draft.clientList, now.document) || follows(session, draft.clientList, now));
    if (!goesOn) await begin(session, account, nameBytes, now, recovery);
    await send(session, account, name, now.userId, recovery);
  });
  await publishPackages(session, account);
}

function newest(session: Session, name: Uint8Array, recovery: RecoveryKey): Promise<ClientList> {
  const { call, domain } = session;
  const signer = (out: Uint8Array, ...parts: Uint8Array[]): void => recovery.sign(out, "request", ...parts);
  return call({ operation: "as.recover", circuit: ACCOUNT, request: { name }, signer }, ({ userId, clientList }) => {
    const found = readClientList(clientList, { domain, userId });
    if (!equal(found.recoveryKey, recovery.publicKey)) throw new ClientError("contact/unverified");
    return found;
  });
}

const follows = ({ domain }: Session, document: Uint8Array, { userId, digest }: ClientList): boolean =>
  equal(readClientList(document, { domain, userId }).previous, digest);

async function begin(
  { domain }: Session,
  account: Account,
  name: Uint8Array,
  { userId, number, document }: ClientList,
  { publicKey, sign }: RecoveryKey,
): Promise<void> {
  const fresh = blankAccount({ name, seed: secret(), shared: secret(), profileKey: secret() });
  await account.begin(fresh);
  const next = { domain, userId, number: number + 1, previous: document, recoveryKey: publicKey };
  const clientList = makeClientList({ ...next, clients: [account.clientKey], signer: publicKey }, sign);
  await account.begin({ ...fresh, clientList });
}

async function send(
  session: Session,
  account: Account,
  name: string,
  userId: Uint8Array,
  recovery: RecoveryKey,
): Promise<void> {
  const { call, directory, clock } = session;
  const { clientKey } = account;
  const { name: nameBytes, clientList } = account.record;
  const request = { name: nameBytes, clientKey, proof: proofOf(session, account, nameBytes, clientKey), clientList };
  const signer = (out: Uint8Array, ...parts: Uint8Array[]): void => recovery.sign(out, "request", ...parts);
  const identity = await call({ operation: "as.reset", circuit: ACCOUNT, request, signer }, async (reply) =>
    verifyCredential(reply.credential, await directory.current(), clock(), name),
  );
  if (!equal(identity.clientKey, clientKey) || !equal(identity.userId, userId))
    throw new ClientError("contact/unverified");
  await account.change({ credential: identity.document });
}
