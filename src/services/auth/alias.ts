// Aliases: names with a key of their own and an end. Nothing leads from one to the user who made it.
import { verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { operations } from "../../wire/operations.ts";
import type { AuthToIssuer, Handler } from "../ports.ts";
import { signedInAny } from "./client.ts";
import { removeAccount, scheduleEnd } from "./end.ts";
import { userIdOf } from "./ids.ts";
import { issueAliasCredential, type Authority } from "./issue-credential.ts";
import { isFree, placeOf, requireName } from "./names.ts";
import { accountRecord, dayOf, kinds, nameRecord, save } from "./records.ts";

const { days: daysAtMost } = operations["as.createAlias"].limits;
const HOURS = 24;

/** Faults `account/name`, `auth/signature` (the proof), `account/limit` (no such number of days), `account/taken`. */
export const createAlias =
  (authority: Authority): Handler<"as.createAlias"> =>
  async ({ name, aliasKey, proof, days }, call) => {
    const { arena, tx } = call;
    const { domain } = authority;
    requireName(name);
    if (days < 1 || days > daysAtMost) throw new Fault("account/limit");
    if (!verify(proof, "credentialRequest", aliasKey, domain, name, aliasKey)) throw new Fault("auth/signature");
    const aliasId = userIdOf(call, domain, aliasKey, arena.take(32));
    const place = placeOf(call, name);
    await tx.lock("account", aliasId);
    await tx.lock("name", place);
    if ((await tx.get("account", aliasId)) !== undefined) throw new Fault("account/taken");
    if (!(await isFree(call, place))) throw new Fault("account/taken");

    const notBefore = dayOf(call.now);
    const notAfter = notBefore + days;
    const end = scheduleEnd(call, aliasId, (notAfter + 1) * HOURS);
    const credential = issueAliasCredential(call, authority, { aliasId, name, aliasKey, notBefore, notAfter });
    const nothing = arena.take(0);
    const unused = arena.take(32);
    save(call, "account", accountRecord, aliasId, {
      kind: kinds.alias,
      name,
      recoveryKey: unused,
      number: 0,
      listDigest: unused,
      clients: [{ clientId: aliasId, clientKey: aliasKey, issued: notBefore }],
      ...end,
      attempt: 0,
      endedBy: unused.subarray(0, 16),
      profile: nothing,
      profileVersion: 0,
    });
    save(call, "name", nameRecord, place, {
      kind: kinds.alias,
      name,
      userId: aliasId,
      endsAt: end.endsAt,
      credential,
      publisher: aliasId,
      notAfter,
      clientList: nothing,
      lastResort: nothing,
      publications: [],
    });
    return { aliasId, credential };
  };

/** At once, by the alias's own key. Fault `auth/signature` also for a user. */
export const deleteAlias =
  (issuer: Pick<AuthToIssuer, "liveKeys">): Handler<"as.deleteAlias"> =>
  async ({ aliasId }, call) => {
    await call.tx.lock("account", aliasId);
    const { account } = await signedInAny(call, { userId: aliasId, clientId: aliasId });
    if (account.kind !== kinds.alias) throw new Fault("auth/signature");
    await removeAccount(call, issuer, aliasId, account);
    return {};
  };
