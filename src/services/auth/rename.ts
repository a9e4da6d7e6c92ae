// Gives a user another name, once a month. The old one is nobody's for a while.
import { equal } from "../../memory/locked.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { signedInAlone } from "./client.ts";
import { RENEW_AFTER } from "./clients.ts";
import { issueCredential, type Authority } from "./issue-credential.ts";
import { giveUp, isFree, loadOwn, placeOf, requireName } from "./names.ts";
import { accountRecord, dayOf, nameRecord, save } from "./records.ts";
import { count, onceInThirtyDays } from "./uses.ts";

const { takenNamesPerPeriod } = operations["as.rename"].limits;

/**
 * Says so when the name is taken, and counts it: an account must not be a way to list names. Faults `account/name`,
 * `account/limit`. The other clients' credentials have the old name until they are renewed.
 */
export const rename =
  (authority: Authority): Handler<"as.rename"> =>
  async ({ userId, clientId, name }, call) => {
    const { account, client } = await signedInAlone(call, { userId, clientId });
    requireName(name);
    const user = { userId, name };
    if (equal(account.name, name))
      return { taken: 0, credential: issueCredential(call, authority, user, client).credential };

    const [before, place] = [placeOf(call, account.name), placeOf(call, name)];
    await call.tx.lock("name", before, place);
    const alike = equal(before, place);
    if (!alike && !(await isFree(call, place))) {
      await count(call, userId, "takenName", takenNamesPerPeriod);
      return { taken: 1, credential: call.arena.take(0) };
    }
    const record = await loadOwn(call, before, userId);
    await onceInThirtyDays(call, userId, "rename");
    const today = dayOf(call.now);
    const renewed = { ...client, issued: today };
    // The others may have theirs renewed at once.
    const clients = account.clients.map((one) =>
      one === client ? renewed : { ...one, issued: Math.min(one.issued, today - RENEW_AFTER) },
    );
    save(call, "account", accountRecord, userId, { ...account, name, clients });
    // Who published stays the one that discoverers are led to, under the new name.
    const publisher = clients.find((one) => equal(one.clientId, record.publisher));
    const shown = publisher && issueCredential(call, authority, user, publisher);
    if (!alike) giveUp(call, before);
    save(call, "name", nameRecord, place, { ...record, ...shown, name });
    return { taken: 0, credential: issueCredential(call, authority, user, renewed).credential };
  };
