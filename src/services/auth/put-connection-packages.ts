// Replaces the connection packages that discoverers of a user, or of an alias, are given.
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { decode, encode } from "../../wire/codec.ts";
import { connectionPackage, DOCUMENT_VERSION, splitSigned } from "../../wire/documents.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { signedInAny } from "./client.ts";
import { currentCredential, type Authority } from "./issue-credential.ts";
import { loadOwn, placeOf } from "./names.ts";
import { keepPackages } from "./packages.ts";
import { dayOf, kinds, nameRecord, PUBLICATIONS, save } from "./records.ts";

/** Last day on which a connection package may be used, at most this far ahead. */
export const PACKAGE_DAYS = 365;

/** Faults `wire/malformed`, `account/expired`: who publishes is led to by its credential, so it must have one. */
export const putConnectionPackages =
  (authority: Authority): Handler<"as.putConnectionPackages"> =>
  async (request, call) => {
    const { userId, clientId, packages, lastResort } = request;
    await call.tx.lock("account", userId);
    const { account, client } = await signedInAny(call, { userId, clientId });
    const today = dayOf(call.now);
    for (const document of packages) checkForm(document, 0, today);
    checkForm(lastResort, 1, today);

    const place = placeOf(call, account.name);
    await call.tx.lock("name", place);
    const record = await loadOwn(call, place, userId);
    const whole = encode(operations["as.putConnectionPackages"].request, request, (size) => call.arena.take(size));
    const publication = derive(call.arena.take(32), "publication", undefined, whole);
    // Neither a retry nor a replay may bring back what was handed out since.
    if (record.publications.some((earlier) => equal(earlier, publication))) return {};
    const shown =
      account.kind === kinds.user ? currentCredential(call, authority, { userId, name: account.name }, client) : {};
    const publications = [publication, ...record.publications.slice(0, PUBLICATIONS - 1)];
    save(call, "name", nameRecord, place, { ...record, ...shown, publisher: clientId, lastResort, publications });
    keepPackages(call, userId, packages);
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
