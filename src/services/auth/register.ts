// Makes an account for a free user name and signs its first client's credential.
import { verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import type { Handler } from "../ports.ts";
import { digestOf, keepList, readList } from "./client-list.ts";
import { clientIdOf, userIdOf } from "./ids.ts";
import { issueCredential, type Authority } from "./issue-credential.ts";
import { isFree, placeOf, requireName } from "./names.ts";
import { accountRecord, dayOf, kinds, nameRecord, save } from "./records.ts";

/**
 * Faults `account/name`, `auth/signature` (the proof is not the client key's), `account/clients` (the first list is not of
 * this one client), `account/taken`.
 */
export const register =
  (authority: Authority): Handler<"as.register"> =>
  async ({ name, clientKey, recoveryKey, proof, clientList }, call) => {
    const { domain } = authority;
    requireName(name);
    if (!verify(proof, "credentialRequest", clientKey, domain, name, clientKey)) throw new Fault("auth/signature");
    const userId = userIdOf(call, domain, clientKey, recoveryKey);
    const first = readList(clientList, domain, userId);
    const alone = first.clients.length === 1 && equal(first.clients[0] ?? call.arena.take(0), clientKey);
    const beginning = first.number === 1 && equal(first.previous, call.arena.take(32));
    if (!alone || !beginning || !equal(first.signer, clientKey) || !equal(first.recoveryKey, recoveryKey))
      throw new Fault("account/clients");

    const place = placeOf(call, name);
    await call.tx.lock("account", userId);
    await call.tx.lock("name", place);
    if ((await call.tx.get("account", userId)) !== undefined) throw new Fault("account/taken");
    if (!(await isFree(call, place))) throw new Fault("account/taken");

    const client = { clientId: clientIdOf(call, userId, clientKey), clientKey, issued: dayOf(call.now) };
    const { credential, notAfter } = issueCredential(call, authority, { userId, name }, client);
    const empty = call.arena.take(0);
    save(call, "account", accountRecord, userId, {
      kind: kinds.user,
      name,
      recoveryKey,
      number: 1,
      listDigest: digestOf(call, clientList),
      clients: [client],
      endsAt: 0,
      endsSlot: 0,
      attempt: 0,
      endedBy: call.arena.take(16),
      profile: empty,
      profileVersion: 0,
    });
    keepList(call, userId, 1, clientList);
    save(call, "name", nameRecord, place, {
      kind: kinds.user,
      name,
      userId,
      endsAt: 0,
      credential,
      publisher: client.clientId,
      notAfter,
      clientList,
      lastResort: empty,
      publications: [],
    });
    return { userId, clientId: client.clientId, credential };
  };
