// Ends a user's account: at once for who has the recovery key too, else after a day in which its other clients can say no.
import { verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { operations } from "../../wire/operations.ts";
import type { AuthToIssuer, Handler } from "../ports.ts";
import { signedInAlone } from "./client.ts";
import { cancelEnd, removeAccount, scheduleEnd } from "./end.ts";
import { loadOwn, placeOf } from "./names.ts";
import { accountRecord, nameRecord, save, type AccountRecord, type Scope } from "./records.ts";

const { hoursToCancel } = operations["as.deleteAccount"].limits;
const HOUR = 3600;

/** What a discovery must know too. The account's lock is held. */
async function showEnd(call: Scope, userId: Uint8Array, { name }: AccountRecord, endsAt: number): Promise<void> {
  const place = placeOf(call, name);
  await call.tx.lock("name", place);
  const record = await loadOwn(call, place, userId);
  save(call, "name", nameRecord, place, { ...record, endsAt });
}

/**
 * Replies with the hour (since 1970) after which the account is gone, 0 when it is gone already. Faults `auth/signature`
 * (a recovery signature that is not), `account/conflict` (this attempt was called off, or another is under way).
 */
export const deleteAccount =
  (domain: Uint8Array, issuer: Pick<AuthToIssuer, "liveKeys">): Handler<"as.deleteAccount"> =>
  async ({ userId, clientId, attempt, recovery }, call) => {
    const { account } = await signedInAlone(call, { userId, clientId });
    if (recovery.length > 0) {
      const number = call.arena.take(4);
      number.writeUInt32BE(attempt);
      if (!verify(recovery, "deletion", account.recoveryKey, domain, userId, number)) throw new Fault("auth/signature");
      await removeAccount(call, issuer, userId, account);
      return { endsAt: 0 };
    }
    if (account.endsAt !== 0 && attempt === account.attempt) return { endsAt: account.endsAt };
    if (account.endsAt !== 0 || attempt !== account.attempt + 1) throw new Fault("account/conflict");
    const end = scheduleEnd(call, userId, Math.ceil(call.now / HOUR) + hoursToCancel);
    save(call, "account", accountRecord, userId, { ...account, ...end, attempt, endedBy: clientId });
    await showEnd(call, userId, account, end.endsAt);
    return { endsAt: end.endsAt };
  };

/** Any client may; so may the one that began it. Fault `account/conflict` for another attempt than the newest. */
export const cancelDeletion: Handler<"as.cancelDeletion"> = async ({ userId, clientId, attempt }, call) => {
  const { account } = await signedInAlone(call, { userId, clientId });
  if (attempt !== account.attempt) throw new Fault("account/conflict");
  if (account.endsAt === 0) return {};
  cancelEnd(call, account);
  save(call, "account", accountRecord, userId, { ...account, endsAt: 0, endsSlot: 0, endedBy: call.arena.take(16) });
  await showEnd(call, userId, account, 0);
  return {};
};
