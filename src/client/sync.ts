// What a `sync` does beside handing events over: requests of others, interrupted work, the queue.
import { Fault } from "../fault.ts";
import { ClientError } from "./errors.ts";
import { change } from "./group-commit.ts";
import { enterGroups } from "./group-join.ts";
import { goOnLeaving } from "./group-leave.ts";
import { flush } from "./group-outbox.ts";
import { healths, isLeaving } from "./group-record.ts";
import { recover } from "./group-recovery.ts";
import type { HeldGroup } from "./groups.ts";
import { allOrNothing, type Parts } from "./parts.ts";
import { readQueue } from "./read-queue.ts";

/** Takes up the offers in the direct queue, page by page until one is empty, which acknowledges the last. */
export async function readOffers(parts: Parts): Promise<void> {
  const { account, people, contacts, events, session } = parts;
  for (let empty = false; !empty;) {
    empty = await allOrNothing(parts, async () => {
      const page = await account.readOffers();
      for (const offer of page.offers) contacts.receive(offer, events);
      if (!page.empty) await session.sections.save(account.entry(), people.entry(), contacts.entry(), events.entry());
      return page.empty;
    });
  }
}

/**
 * Goes on with what an interruption left, and with what has become due. What cannot be sent now must not keep what has come
 * from being read.
 */
export async function resume(parts: Parts): Promise<void> {
  await enterGroups(parts);
  for (const held of parts.groups.all) {
    if (held.state.mls === undefined) continue;
    try {
      await recover(parts, held);
      if (held.state.mls === undefined || held.state.care.health >= healths.diverged) continue;
      await flush(parts, held);
      await goOnLeaving(parts, held);
      await commitDue(parts, held);
    } catch (error) {
      if (!(error instanceof ClientError || error instanceof Fault)) throw error;
      if (error.code.startsWith("server/")) throw error;
    }
  }
}

// Whoever is first commits the proposals that wait; the others' moment passes with the epoch.
async function commitDue(parts: Parts, held: HeldGroup): Promise<void> {
  const { mls, commitAt } = held.state;
  if (mls === undefined || mls.pending.length === 0 || isLeaving(mls)) return;
  if (parts.session.clock() >= commitAt) await change(parts, held, {});
}

/** Reads the queue, waiting up to `wait` seconds when there is nothing; then makes up for KeyPackages that were used or ran out. */
export async function readInbox(
  parts: Parts,
  wait: number,
  exclusive: (work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { account, inbox, keyPackages, events } = parts;
  await readQueue(parts, () => (events.waiting ? 0 : wait), exclusive);
  // Before the last is used up: then one would have to be used twice, or nobody could add this client.
  if (keyPackages.due || inbox.lacksKeyPackages) await exclusive(() => keyPackages.publish(account, inbox));
}
