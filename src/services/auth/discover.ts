// Answers who has a name with the credential and one connection package, each package to one discoverer. For a name that
// nobody has the same is done, so that neither length nor time of the answer shows which it was.
import { randomFill } from "../../crypto/random.ts";
import { SIGNATURE_LENGTH } from "../../crypto/sign.ts";
import { equal } from "../../memory/locked.ts";
import { encode } from "../../wire/codec.ts";
import { connectionPackage, DOCUMENT_VERSION, SKELETON_MAX } from "../../wire/documents.ts";
import type { Call, Handler } from "../ports.ts";
import { placeOf } from "./names.ts";
import { firstUsable, isUsable, keepPackages, takeOut } from "./packages.ts";
import { dayOf, isOver, kinds, load, nameRecord, save, type NameRecord } from "./records.ts";

// Read where nobody is found: a record like any other, in a place that no name has, whose package is never handed out.
const STAND_IN = Buffer.alloc(SKELETON_MAX + 1);
const zeros = Buffer.alloc(32);
const standInId = zeros.subarray(0, 16);
const FAR = 2 ** 32 - 1;

async function standIn(call: Call): Promise<NameRecord> {
  const there = await load(call, "name", nameRecord, STAND_IN);
  if (there !== undefined) return there;
  const body = { version: DOCUMENT_VERSION, sealKey: zeros, notAfter: FAR, lastResort: 0 };
  const size = connectionPackage.size(body) + SIGNATURE_LENGTH;
  const document = encode(connectionPackage, body, () => call.arena.take(size));
  const record = {
    kind: kinds.user,
    name: zeros.subarray(0, 0),
    userId: standInId,
    endsAt: 0,
    credential: call.arena.take(240),
    publisher: standInId,
    notAfter: FAR,
    clientList: call.arena.take(250),
    lastResort: document,
    publications: [zeros],
  };
  save(call, "name", nameRecord, STAND_IN, record);
  keepPackages(call, standInId, [document]);
  return record;
}

/** Who has no package that can still be used cannot be reached, and is answered for as one who is not there. */
export const discover: Handler<"as.discover"> = async ({ name }, call) => {
  const { arena, now, tx } = call;
  const today = dayOf(now);
  const place = placeOf(call, name);
  const nobody = randomFill(arena.take(16));
  await tx.lock("name", place);
  const stored = await load(call, "name", nameRecord, place);
  const there = stored !== undefined && equal(stored.name, name) && !isOver(stored, now) && stored.notAfter >= today;
  // One record that is there and one that is not, in any case.
  const other = there ? await load(call, "name", nameRecord, nobody) : await standIn(call);
  const record = there ? stored : (other ?? stored);
  const first = await firstUsable(call, record?.userId ?? nobody);
  takeOut(call, there ? stored.userId : nobody, there ? (first?.sequence ?? 0) : 1);
  tx.delete("name", nobody);

  const handed = first?.document ?? record?.lastResort ?? arena.take(0);
  const usable = isUsable(handed, today);
  const nothing = arena.take(0);
  if (!there || !usable) return { found: 0, credential: nothing, clientList: nothing, connectionPackage: nothing };
  const { kind, credential, clientList } = stored;
  return { found: kind, credential, clientList, connectionPackage: handed };
};
