// The account of a request, once one of its clients has signed it.
import { signKeypair } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { equal, lockedAlloc, wipe } from "../../memory/locked.ts";
import type { ValueOf } from "../../wire/codec.ts";
import type { Call } from "../ports.ts";
import { accountRecord, load } from "./records.ts";

// A key nobody holds: a user that does not exist costs and answers the same as a wrong signature.
const nobody = Buffer.alloc(32);
const discarded = lockedAlloc(64);
signKeypair(nobody, discarded);
wipe(discarded);

export interface SignedIn {
  readonly account: ValueOf<typeof accountRecord>;
  readonly clientKey: Uint8Array;
}

/** Fault `auth/signature` when the request is not signed by this client of this user, also where there is no such. */
export async function signedIn(call: Call, userId: Uint8Array, clientId: Uint8Array): Promise<SignedIn> {
  const account = await load(call, "account", accountRecord, userId);
  const client = account?.clients.find((one) => equal(one.clientId, clientId));
  call.authenticate(client?.clientKey ?? nobody);
  if (account === undefined || client === undefined) throw new Fault("auth/signature");
  return { account, clientKey: client.clientKey };
}
