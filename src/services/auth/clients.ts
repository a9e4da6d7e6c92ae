// The clients of a user: added and removed by each other, listed for each other, their credentials renewed.
import { verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { MAX_CLIENTS } from "../../wire/documents.ts";
import { operations } from "../../wire/operations.ts";
import type { Call, Handler } from "../ports.ts";
import { signedIn, signedInAlone } from "./client.ts";
import { digestOf, isChange, keepList, readList, requireNext } from "./client-list.ts";
import { forgetPosition } from "./direct-queue.ts";
import { clientIdOf } from "./ids.ts";
import { CREDENTIAL_DAYS, currentCredential, issueCredential, type Authority } from "./issue-credential.ts";
import { loadOwn, placeOf } from "./names.ts";
import { accountRecord, dayOf, nameRecord, save, type AccountRecord, type NameRecord } from "./records.ts";
import { dropPackages } from "./packages.ts";
import { count } from "./uses.ts";

const { changesPerPeriod } = operations["as.addClient"].limits;
const { listsPerReply } = operations["as.listClients"].limits;
/** A credential is not renewed sooner than that, except after a change of name. Days. */
export const RENEW_AFTER = operations["as.renewCredential"].limits.daysBetween;
/** Days for which a client whose credential ran out may still have a new one. */
export const RENEW_GRACE = 365;

/** Writes the account with a new list, and what a discovery shows of it. The account's lock is held. */
async function change(
  call: Call,
  userId: Uint8Array,
  account: AccountRecord,
  document: Uint8Array,
  name: (record: NameRecord) => NameRecord,
): Promise<void> {
  const place = placeOf(call, account.name);
  await call.tx.lock("name", place);
  const record = await loadOwn(call, place, userId);
  const number = account.number + 1;
  save(call, "account", accountRecord, userId, { ...account, number, listDigest: digestOf(call, document) });
  save(call, "name", nameRecord, place, name({ ...record, clientList: document }));
  keepList(call, userId, number, document);
}

/**
 * Faults `account/clients`, `auth/signature` (the proof is not the new client's), `account/limit`, `account/conflict`.
 * The same addition again is answered again.
 */
export const addClient =
  (authority: Authority): Handler<"as.addClient"> =>
  async ({ userId, clientId, clientKey, proof, clientList }, call) => {
    const { domain } = authority;
    const { account, client } = await signedInAlone(call, { userId, clientId });
    const added = { clientId: clientIdOf(call, userId, clientKey), clientKey, issued: dayOf(call.now) };
    const known = account.clients.find((one) => equal(one.clientKey, clientKey));
    const user = { userId, name: account.name };
    if (known !== undefined) {
      if (!equal(digestOf(call, clientList), account.listDigest)) throw new Fault("account/clients");
      const { credential } = currentCredential(call, authority, user, known);
      return { clientId: known.clientId, credential };
    }
    if (account.clients.length === MAX_CLIENTS) throw new Fault("account/limit");
    const next = readList(clientList, domain, userId);
    requireNext(next, account);
    if (!equal(next.signer, client.clientKey) || !equal(next.recoveryKey, account.recoveryKey))
      throw new Fault("account/clients");
    if (!isChange(next.clients, account, { added: clientKey })) throw new Fault("account/clients");
    if (!verify(proof, "credentialRequest", clientKey, domain, account.name, clientKey))
      throw new Fault("auth/signature");
    await count(call, userId, "change", changesPerPeriod);
    await change(call, userId, { ...account, clients: [...account.clients, added] }, clientList, (record) => record);
    return { clientId: added.clientId, credential: issueCredential(call, authority, user, added).credential };
  };

/** Faults `account/clients`, `account/limit`. What is removed may be the asker itself, but not the last. */
export const removeClient =
  ({ domain }: Authority): Handler<"as.removeClient"> =>
  async ({ userId, clientId, clientList }, call) => {
    const { account, client } = await signedInAlone(call, { userId, clientId });
    if (equal(digestOf(call, clientList), account.listDigest)) return {};
    const next = readList(clientList, domain, userId);
    requireNext(next, account);
    if (!equal(next.signer, client.clientKey) || !equal(next.recoveryKey, account.recoveryKey))
      throw new Fault("account/clients");
    const removed = account.clients.find((one) => !next.clients.some((key) => equal(key, one.clientKey)));
    if (removed === undefined || !isChange(next.clients, account, { removed: removed.clientKey }))
      throw new Fault("account/clients");
    await count(call, userId, "change", changesPerPeriod);
    const clients = account.clients.filter((one) => one !== removed);
    // Nobody is led to a client that is gone: what it published goes with it.
    await change(call, userId, { ...account, clients }, clientList, (record) =>
      equal(record.publisher, removed.clientId) ? dropPackages(call, record) : record,
    );
    await forgetPosition(call, userId, removed.clientId);
    return {};
  };

/** The clients, the lists that followed the one numbered `after`, and what is known of a deletion under way. */
export const listClients: Handler<"as.listClients"> = async ({ userId, clientId, after }, call) => {
  const { account } = await signedIn(call, { userId, clientId });
  const from = Math.min(after, account.number) + 1;
  const found = await call.tx.range("clientChange", userId, from, account.number + 1, listsPerReply);
  const { clients, number, endsAt, attempt, endedBy } = account;
  return { clients, number, lists: found.map(({ value }) => value), endsAt, attempt, endedBy };
};

/** Faults `account/limit` (too soon), `account/expired` (too late: only a reset helps, or another client). */
export const renewCredential =
  (authority: Authority): Handler<"as.renewCredential"> =>
  async ({ userId, clientId }, call) => {
    const { account, client } = await signedInAlone(call, { userId, clientId });
    const today = dayOf(call.now);
    const user = { userId, name: account.name };
    if (client.issued === today) return { credential: issueCredential(call, authority, user, client).credential };
    if (client.issued + RENEW_AFTER > today) throw new Fault("account/limit");
    if (client.issued + CREDENTIAL_DAYS + RENEW_GRACE < today) throw new Fault("account/expired");
    const renewed = { ...client, issued: today };
    const clients = account.clients.map((one) => (one === client ? renewed : one));
    const { credential, notAfter } = issueCredential(call, authority, user, renewed);
    const place = placeOf(call, account.name);
    await call.tx.lock("name", place);
    const record = await loadOwn(call, place, userId);
    save(call, "account", accountRecord, userId, { ...account, clients });
    if (equal(record.publisher, clientId)) save(call, "name", nameRecord, place, { ...record, credential, notAfter });
    return { credential };
  };
