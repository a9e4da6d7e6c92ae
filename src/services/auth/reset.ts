// After a loss of every client: what the recovery key needs to know, and the reset that it signs.
import { verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import type { AuthToIssuer, Call, Handler } from "../ports.ts";
import { nobody } from "./client.ts";
import { digestOf, keepList, readList, requireNext } from "./client-list.ts";
import { cancelEnd, forgetIssuance, forgetQueue } from "./end.ts";
import { clientIdOf } from "./ids.ts";
import { issueCredential, type Authority } from "./issue-credential.ts";
import { loadName, loadOwn, placeOf } from "./names.ts";
import { dropPackages } from "./packages.ts";
import {
  accountRecord,
  dayOf,
  isOver,
  kinds,
  load,
  nameRecord,
  save,
  type AccountRecord,
  type NameRecord,
} from "./records.ts";
import { onceInThirtyDays } from "./uses.ts";

interface Recovered {
  readonly userId: Uint8Array;
  readonly account: AccountRecord;
  readonly record: NameRecord;
}

/** The account of a name, its lock held, once its recovery key has signed. Fault `auth/signature` as for a stranger. */
async function recovered(call: Call, name: Uint8Array): Promise<Recovered> {
  const first = await loadName(call, name);
  const userId = first?.userId ?? call.arena.take(16);
  await call.tx.lock("account", userId);
  const account = first && (await load(call, "account", accountRecord, userId));
  const live = account?.kind === kinds.user && equal(account.name, name) && !isOver(account, call.now);
  call.authenticate(live ? account.recoveryKey : nobody);
  if (!live || first === undefined) throw new Fault("auth/signature");
  return { userId, account, record: first };
}

/** What the next client list has to follow. */
export const recover: Handler<"as.recover"> = async ({ name }, call) => {
  const { userId, record } = await recovered(call, name);
  return { userId, clientList: record.clientList };
};

/**
 * Replaces clients, packages, requests that wait and the profile; name and user id stay. Faults `account/clients`,
 * `auth/signature`, `account/limit`. Its batches of tokens can be drawn anew. The same reset again is answered again.
 */
export const reset =
  (authority: Authority, issuer: Pick<AuthToIssuer, "liveKeys">): Handler<"as.reset"> =>
  async ({ name, clientKey, proof, clientList }, call) => {
    const { domain } = authority;
    const { userId, account } = await recovered(call, name);
    const client = { clientId: clientIdOf(call, userId, clientKey), clientKey, issued: dayOf(call.now) };
    const user = { userId, name };
    if (equal(digestOf(call, clientList), account.listDigest)) {
      const known = account.clients.find((one) => equal(one.clientKey, clientKey));
      if (known === undefined) throw new Fault("account/clients");
      return { userId, clientId: known.clientId, credential: issueCredential(call, authority, user, known).credential };
    }
    const next = readList(clientList, domain, userId);
    requireNext(next, account);
    const [only] = next.clients;
    if (next.clients.length !== 1 || only === undefined || !equal(only, clientKey)) throw new Fault("account/clients");
    if (!equal(next.signer, account.recoveryKey)) throw new Fault("account/clients");
    if (account.clients.some((one) => equal(one.clientKey, clientKey))) throw new Fault("account/clients");
    if (!verify(proof, "credentialRequest", clientKey, domain, name, clientKey)) throw new Fault("auth/signature");

    await onceInThirtyDays(call, userId, "reset");
    const place = placeOf(call, name);
    await call.tx.lock("name", place);
    const record = await loadOwn(call, place, userId);
    cancelEnd(call, account);
    if (account.profile.length > 0) call.tx.delete("profile", account.profile);
    save(call, "account", accountRecord, userId, {
      ...account,
      recoveryKey: next.recoveryKey,
      number: next.number,
      listDigest: digestOf(call, clientList),
      clients: [client],
      endsAt: 0,
      endsSlot: 0,
      endedBy: call.arena.take(16),
      profile: call.arena.take(0),
      profileVersion: 0,
    });
    keepList(call, userId, next.number, clientList);
    const { credential, notAfter } = issueCredential(call, authority, user, client);
    save(call, "name", nameRecord, place, {
      ...dropPackages(call, record),
      endsAt: 0,
      credential,
      publisher: client.clientId,
      notAfter,
      clientList,
      publications: [],
    });
    await forgetQueue(call, userId);
    // The lost device has the tokens of this epoch. Once in thirty days at most, so an allowance at most doubles.
    forgetIssuance(call, issuer, userId);
    return { userId, clientId: client.clientId, credential };
  };
