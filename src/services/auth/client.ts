// The account of a request, once one of its clients has signed it.
import { signKeypair } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { equal, lockedAlloc, wipe } from "../../memory/locked.ts";
import type { Call } from "../ports.ts";
import { accountRecord, isOver, kinds, load, type AccountRecord, type Client } from "./records.ts";

// A key nobody holds: a user that does not exist costs and answers the same as a wrong signature.
export const nobody = Buffer.alloc(32);
const discarded = lockedAlloc(64);
signKeypair(nobody, discarded);
wipe(discarded);

export interface SignedIn {
  readonly account: AccountRecord;
  readonly client: Client;
}

/** Which client of which account says that it asks. An alias is its own client. */
export interface Asker {
  readonly userId: Uint8Array;
  readonly clientId: Uint8Array;
}

/** Fault `auth/signature` when the request is not signed by this client of this account, also where there is no such. */
export async function signedInAny(call: Call, { userId, clientId }: Asker): Promise<SignedIn> {
  const account = await load(call, "account", accountRecord, userId);
  const live = account !== undefined && !isOver(account, call.now) ? account : undefined;
  const client = live?.clients.find((one) => equal(one.clientId, clientId));
  call.authenticate(client?.clientKey ?? nobody);
  if (live === undefined || client === undefined) throw new Fault("auth/signature");
  return { account: live, client };
}

/** The same for users: what aliases cannot do is refused to them as to a stranger. */
export async function signedIn(call: Call, asker: Asker): Promise<SignedIn> {
  const found = await signedInAny(call, asker);
  if (found.account.kind !== kinds.user) throw new Fault("auth/signature");
  return found;
}

/** The same, with the account's lock held from before it is read: for whatever changes it. */
export async function signedInAlone(call: Call, asker: Asker): Promise<SignedIn> {
  await call.tx.lock("account", asker.userId);
  return signedIn(call, asker);
}
