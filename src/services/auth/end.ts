// The end of an account: when it comes, what calls it off, and what goes with it.
import { randomBytes } from "../../crypto/random.ts";
import type { Arena, ArenaPool } from "../../memory/arena.ts";
import { equal } from "../../memory/locked.ts";
import type { Store } from "../../store/store.ts";
import type { AuthToIssuer } from "../ports.ts";
import { giveUp, placeOf } from "./names.ts";
import { keepPackages } from "./packages.ts";
import { accountRecord, dayOf, hourOf, isOver, load, nameRecord, type AccountRecord, type Scope } from "./records.ts";
import { forgetUses } from "./uses.ts";

const ALL = 2 ** 48;
const AT_ONCE = 64;
/** Hours looked back at when it is not known how far the last look came. */
const FIRST_LOOK_BACK = 100 * 24;
const MARK = Buffer.from("ends");

const rowOf = (arena: Arena, hour: number): Buffer => {
  const row = arena.take(4);
  row.writeUInt32BE(hour);
  return row;
};

/** Files the account's end. Slots are random: a number would count who ends in that hour. The account's lock is held. */
export function scheduleEnd(
  call: Scope,
  userId: Uint8Array,
  endsAt: number,
): Pick<AccountRecord, "endsAt" | "endsSlot"> {
  const endsSlot = randomBytes(6).readUIntBE(0, 6);
  call.tx.putAt("accountEnd", rowOf(call.arena, endsAt), endsSlot, userId);
  return { endsAt, endsSlot };
}

/** Takes back what `scheduleEnd` filed. */
export function cancelEnd(call: Scope, { endsAt, endsSlot }: AccountRecord): void {
  if (endsAt !== 0) call.tx.deleteRange("accountEnd", rowOf(call.arena, endsAt), endsSlot, endsSlot + 1);
}

/** Drops every connection request that waits, and how many there were today. Locks the queue. */
export async function forgetQueue(call: Scope, userId: Uint8Array): Promise<void> {
  await call.tx.lock("directQueue", userId);
  call.tx.deleteRange("directItem", userId, 0, ALL);
  call.tx.delete("directQueue", userId);
  const today = dayOf(call.now);
  for (const partition of [today - 1, today]) call.tx.delete("targetUse", userId, { partition });
}

/** Forgets which batches the account has drawn: each can be drawn once more. The account's lock is held. */
export function forgetIssuance(call: Scope, issuer: Pick<AuthToIssuer, "liveKeys">, userId: Uint8Array): void {
  for (const { epoch, keyId } of issuer.liveKeys()) {
    const name = call.arena.take(userId.length + keyId.length);
    name.set(userId);
    name.set(keyId, userId.length);
    call.tx.delete("issuance", name, { partition: epoch });
  }
}

/** Deletes everything there is about an account but that its name was given up. The account's lock is held. */
export async function removeAccount(
  call: Scope,
  issuer: Pick<AuthToIssuer, "liveKeys">,
  userId: Uint8Array,
  account: AccountRecord,
): Promise<void> {
  const place = placeOf(call, account.name);
  await call.tx.lock("name", place);
  const named = await load(call, "name", nameRecord, place);
  if (named !== undefined && equal(named.userId, userId)) giveUp(call, place);
  await forgetQueue(call, userId);
  keepPackages(call, userId, []);
  call.tx.deleteRange("clientChange", userId, 0, ALL);
  if (account.profile.length > 0) call.tx.delete("profile", account.profile);
  forgetUses(call, userId);
  forgetIssuance(call, issuer, userId);
  cancelEnd(call, account);
  call.tx.delete("account", userId);
}

async function inArena<T>(arenas: ArenaPool, work: (arena: Arena) => Promise<T>): Promise<T> {
  const arena = arenas.arena();
  try {
    return await work(arena);
  } finally {
    arena.close();
  }
}

/**
 * Deletes the accounts whose hour has come at `now` (unix seconds), and says how many. Safe to interrupt and to repeat:
 * until then they answer as if they were gone.
 */
export async function removeEnded(
  { store, arenas, issuer }: { store: Store; arenas: ArenaPool; issuer: Pick<AuthToIssuer, "liveKeys"> },
  now: number,
): Promise<number> {
  const until = hourOf(now);
  const known = await inArena(arenas, (arena) =>
    store.read(arena, async (view) => (await view.get("server", MARK))?.readUInt32BE(0)),
  );
  // A mark ahead of the clock comes from a clock that was wrong: start over.
  const from = known === undefined || known > until ? Math.max(0, until - FIRST_LOOK_BACK) : known + 1;
  let removed = 0;
  for (let hour = from; hour <= until; hour++) {
    for (let more = true; more;) {
      const ended = await inArena(arenas, (arena) =>
        store.read(arena, async (view) => {
          const found = await view.range("accountEnd", rowOf(arena, hour), 0, ALL, AT_ONCE);
          return found.map(({ sequence }) => sequence);
        }),
      );
      for (const slot of ended) if (await inArena(arenas, (arena) => end(arena, hour, slot))) removed++;
      more = ended.length === AT_ONCE;
    }
  }
  if (known === until) return removed;
  await inArena(arenas, (arena) =>
    store.transact(arena, async (tx) => {
      const mark = arena.take(4);
      mark.writeUInt32BE(until);
      tx.put("server", MARK, mark);
    }),
  );
  return removed;

  function end(arena: Arena, hour: number, slot: number): Promise<boolean> {
    return store.transact(arena, async (tx) => {
      const call = { tx, arena, now };
      const row = rowOf(arena, hour);
      const [due] = await tx.range("accountEnd", row, slot, slot + 1, 1);
      if (due === undefined) return false;
      const userId = due.value;
      await tx.lock("account", userId);
      const account = await load(call, "account", accountRecord, userId);
      tx.deleteRange("accountEnd", row, slot, slot + 1);
      if (account === undefined || !isOver(account, now)) return false;
      await removeAccount(call, issuer, userId, account);
      return true;
    });
  }
}
