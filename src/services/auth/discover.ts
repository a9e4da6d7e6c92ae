// Answers who has a name with the credential and one connection package, each package to one discoverer.
import { decode } from "../../wire/codec.ts";
import { connectionPackage, splitSigned } from "../../wire/documents.ts";
import type { Handler } from "../ports.ts";
import { dayOf, load, nameRecord, save } from "./records.ts";

const usable = (document: Uint8Array, today: number): boolean =>
  document.length > 0 && decode(connectionPackage, splitSigned(document).body).notAfter >= today;

/** Who has no package that can still be used cannot be reached, and is answered for as one who is not there. */
export const discover: Handler<"as.discover"> = async ({ name }, call) => {
  const { arena, now, tx } = call;
  await tx.lock("name", name);
  const record = await load(call, "name", nameRecord, name);
  const today = dayOf(now);
  const good = record?.packages.findIndex((document) => usable(document, today)) ?? -1;
  const [handed, rest] =
    record === undefined || good < 0
      ? [record?.lastResort ?? arena.take(0), []]
      : [record.packages[good] ?? arena.take(0), record.packages.slice(good + 1)];
  if (record === undefined || !usable(handed, today)) {
    return { found: 0, credential: arena.take(0), connectionPackage: arena.take(0) };
  }
  if (rest.length !== record.packages.length) save(call, "name", nameRecord, name, { ...record, packages: rest });
  return { found: 1, credential: record.credential, connectionPackage: handed };
};
