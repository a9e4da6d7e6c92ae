// Answers who has a name with the credential and one connection package, each package to one discoverer. For a name that
// nobody has the same is done, so that neither length nor time of the answer shows which it was.
import { openInto, SEAL_OVERHEAD, sealInto } from "../../crypto/aead.ts";
import { randomFill } from "../../crypto/random.ts";
import { equal } from "../../memory/locked.ts";
import type { Call, Handler } from "../ports.ts";
import { placeOf } from "./names.ts";
import { firstUsable, isUsable, takeOut } from "./packages.ts";
import { dayOf, isOver, load, nameRecord } from "./records.ts";

// A record has to be opened where none was found: one of a common length stands in, sealed under zeros.
const zeros = Buffer.alloc(32);
const standIns = [1024, 192].map((length) =>
  sealInto(Buffer.alloc(length + SEAL_OVERHEAD), Buffer.alloc(length), zeros, zeros),
);
const [standInName = zeros, standInPackage = zeros] = standIns;
const openStandIn = ({ arena }: Call, sealed: Buffer): void =>
  void openInto(arena.take(sealed.length - SEAL_OVERHEAD), sealed, zeros, zeros);

/** Who has no package that can still be used cannot be reached, and is answered for as one who is not there. */
export const discover: Handler<"as.discover"> = async ({ name }, call) => {
  const { arena, now, tx } = call;
  const today = dayOf(now);
  const place = placeOf(call, name);
  await tx.lock("name", place);
  const stored = await load(call, "name", nameRecord, place);
  if (stored === undefined) openStandIn(call, standInName);
  const there = stored !== undefined && equal(stored.name, name) && !isOver(stored, now) && stored.notAfter >= today;
  const nobody = randomFill(arena.take(16));
  const ownerId = there ? stored.userId : nobody;
  const first = await firstUsable(call, ownerId);
  if (first === undefined) openStandIn(call, standInPackage);
  // One record is deleted in any case.
  if (first === undefined) tx.delete("name", nobody);
  else takeOut(call, ownerId, first.sequence);

  const nothing = arena.take(0);
  const handed = first?.document ?? (there ? stored.lastResort : nothing);
  if (!there || !isUsable(handed, today))
    return { found: 0, credential: nothing, clientList: nothing, connectionPackage: nothing };
  const { kind, credential, clientList } = stored;
  return { found: kind, credential, clientList, connectionPackage: handed };
};
