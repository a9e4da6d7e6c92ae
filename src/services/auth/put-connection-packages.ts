// Replaces the connection packages that discoverers of a user are given.
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { decode, encode } from "../../wire/codec.ts";
import { connectionPackage, DOCUMENT_VERSION, splitSigned } from "../../wire/documents.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { signedIn } from "./client.ts";
import { dayOf, load, nameRecord, PUBLICATIONS, save } from "./records.ts";

/** Last day on which a connection package may be used, at most this far ahead. */
export const PACKAGE_DAYS = 365;

export const putConnectionPackages: Handler<"as.putConnectionPackages"> = async (request, call) => {
  const { userId, clientId, packages, lastResort } = request;
  const { account } = await signedIn(call, userId, clientId);
  const today = dayOf(call.now);
  for (const document of packages) checkForm(document, 0, today);
  checkForm(lastResort, 1, today);

  await call.tx.lock("name", account.name);
  const record = await load(call, "name", nameRecord, account.name);
  if (record === undefined) throw new Fault("server/error");
  const whole = encode(operations["as.putConnectionPackages"].request, request, (size) => call.arena.take(size));
  const publication = derive(call.arena.take(32), "publication", undefined, whole);
  // Neither a retry nor a replay may bring back what was handed out since.
  if (record.publications.some((earlier) => equal(earlier, publication))) return {};
  const publications = [publication, ...record.publications.slice(0, PUBLICATIONS - 1)];
  save(call, "name", nameRecord, account.name, { ...record, packages, lastResort, publications });
  return {};
};

// The form only: that the client signed each is shown by the request's own signature, and checked by who uses one.
function checkForm(document: Uint8Array, lastResort: 0 | 1, today: number): void {
  const body = decode(connectionPackage, splitSigned(document).body);
  if (
    body.version !== DOCUMENT_VERSION ||
    body.lastResort !== lastResort ||
    body.notAfter < today ||
    body.notAfter > today + PACKAGE_DAYS
  ) {
    throw new Fault("wire/malformed");
  }
}
