// The number that two people compare, on another way than through the house, to know that nobody is between them.
import { fingerprint } from "../crypto/fingerprint.ts";
import type { ClientList } from "./client-list.ts";
import { ClientError } from "./errors.ts";
import type { People } from "./people.ts";

/** All keys that speak for the user: the recovery key, then those of the clients in ascending order. The id: domain, user id. */
function digitsOf({ recoveryKey, clients, domain, userId }: ClientList): string {
  const keys = [recoveryKey, ...clients.toSorted((a, b) => Buffer.compare(a, b))];
  return fingerprint(Buffer.concat(keys), Buffer.concat([domain, userId]));
}

/** 60 digits, the same for both of them: the two halves in ascending order. ClientError `contact/unverified`: no list known yet. */
export function safetyNumber(people: People, own: ClientList, userId: Uint8Array): string {
  const theirs = people.listOf(userId);
  if (theirs === undefined) throw new ClientError("contact/unverified");
  return [digitsOf(own), digitsOf(theirs)].toSorted().join("");
}
