// Client lists: each signed by a client, or the recovery key, of the one before. The house keeps them and cannot write them.
import { derive } from "../../crypto/derive.ts";
import { verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { decode, type ValueOf } from "../../wire/codec.ts";
import { clientList, DOCUMENT_VERSION, splitSigned } from "../../wire/documents.ts";
import type { Call } from "../ports.ts";
import type { AccountRecord } from "./records.ts";

export type ClientList = ValueOf<typeof clientList>;

/** Lists kept for clients that were away. */
export const LISTS_KEPT = 32;

const refuse = (): never => {
  throw new Fault("account/clients");
};

export const digestOf = (call: Call, document: Uint8Array): Buffer =>
  derive(call.arena.take(32), "clientListDigest", undefined, document);

/** The list of a document that its own signer has signed and that names nobody twice. Fault `account/clients`. */
export function readList(document: Uint8Array, domain: Uint8Array, userId: Uint8Array): ClientList {
  const { body, signature } = splitSigned(document);
  const found = decode(clientList, body);
  const { clients } = found;
  if (found.version !== DOCUMENT_VERSION || !equal(found.domain, domain) || !equal(found.userId, userId)) refuse();
  if (clients.length === 0 || clients.some((one, i) => clients.slice(0, i).some((other) => equal(one, other))))
    refuse();
  if (clients.some((one) => equal(one, found.recoveryKey))) refuse(); // or one theft would be enough for everything
  if (!verify(signature, "clientList", found.signer, body)) refuse();
  return found;
}

/** Fault `account/clients` unless `next` is the account's next list. Who may sign it is the caller's to say. */
export function requireNext(next: ClientList, account: AccountRecord): void {
  if (next.number !== account.number + 1 || !equal(next.previous, account.listDigest)) refuse();
}

/** True when `keys` are those of the account's clients and `added`, whatever the order, without `removed`. */
export const isChange = (
  keys: readonly Uint8Array[],
  account: AccountRecord,
  change: { readonly added?: Uint8Array; readonly removed?: Uint8Array },
): boolean => {
  const wanted = account.clients.map(({ clientKey }) => clientKey).filter((one) => !isKey(one, change.removed));
  if (change.added !== undefined) wanted.push(change.added);
  return keys.length === wanted.length && wanted.every((one) => keys.some((other) => equal(one, other)));
};
const isKey = (one: Uint8Array, other: Uint8Array | undefined): boolean => other !== undefined && equal(one, other);

/** Stores a list as the newest; the oldest of too many goes. The account's lock is held. */
export function keepList(call: Call, userId: Uint8Array, number: number, document: Uint8Array): void {
  if (number > LISTS_KEPT) call.tx.deleteRange("clientChange", userId, number - LISTS_KEPT, number - LISTS_KEPT + 1);
  call.tx.putAt("clientChange", userId, number, document);
}
