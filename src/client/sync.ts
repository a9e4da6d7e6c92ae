// What a `sync` does beside handing events over: requests of others, interrupted work, the queue.
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { offerKinds } from "../wire/documents.ts";
import { keepFresh } from "./account-change.ts";
import { takeNote } from "./device-notes.ts";
import { goOnInviting, refresh, settleIn, shareTokens } from "./devices.ts";
import { ClientError } from "./errors.ts";
import { goOnRotating, tellContacts, watchContacts } from "./friends.ts";
import { change } from "./group-commit.ts";
import { enterGroups } from "./group-join.ts";
import { goOnLeaving } from "./group-leave.ts";
import { flush } from "./group-outbox.ts";
import { healths, isLeaving } from "./group-record.ts";
import { recover } from "./group-recovery.ts";
import type { HeldGroup } from "./groups.ts";
import { readPage } from "./mailbox.ts";
import { allOrNothing, type Parts } from "./parts.ts";
import { readQueue } from "./read-queue.ts";
import { tend } from "./tending.ts";

/**
 * What there is to do for the own account: requests, news, credentials, codes, contacts, tokens. `look`: the house is asked
 * for news. Once it knows this client no more that is told, and groups go on.
 */
export async function workOnAccount(parts: Parts, look: boolean): Promise<void> {
  const { account, events, session, tokens } = parts;
  if (!account.registered || account.record.ended === 1) return;
  try {
    await readOffers(parts);
    await tendAccount(parts, look);
    await tokens.refill(account);
  } catch (error) {
    if (!(error instanceof Fault && error.code === "auth/signature")) throw error;
    await allOrNothing(parts, async () => {
      events.add("accountEnded", {});
      account.put({ ended: 1 });
      await session.sections.save(account.entry(), events.entry());
    });
  }
}

/** Takes up the offers in the direct queues, page by page until one is empty, which acknowledges the last. */
async function readOffers(parts: Parts): Promise<void> {
  const { account, people, contacts, events, aliases, session } = parts;
  const { sections } = session;
  for (let empty = false; !empty;) {
    const key = account.sharedKey();
    empty = await allOrNothing(parts, async () => {
      const page = await readPage(session, account.record.mailbox, account.receiver, key);
      for (const offer of page.offers) {
        if (offer.kind === offerKinds.device) await takeNote(parts, offer);
        else contacts.receive(offer, events);
        wipe(offer.body);
      }
      account.put({ mailbox: page.next });
      if (!page.empty) await sections.save(account.entry(), people.entry(), contacts.entry(), events.entry());
      return page.empty;
    }).finally(() => key.destroy());
  }
  await aliases.read((page, aliasKey) =>
    allOrNothing(parts, async () => {
      for (const offer of page.offers) contacts.receive(offer, events, aliasKey);
      await sections.save(aliases.entry(), people.entry(), contacts.entry(), events.entry());
    }),
  );
}

/** Looks after the own account: what other clients did, credentials, codes, contacts. `look`: ask the house for news, too. */
async function tendAccount(parts: Parts, look: boolean): Promise<void> {
  const { account, connects, tokens } = parts;
  if (look || account.record.invited.length > 0) await refresh(parts);
  await keepFresh(parts);
  await goOnInviting(parts);
  await unlessLacking(async () => {
    await settleIn(parts);
    await shareTokens(parts);
    await rotateOn(parts);
    await watchContacts(parts);
    await connects.flush(tokens);
  });
}

// Without tokens it waits, and so does what the house refuses: reading goes on.
async function unlessLacking(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ClientError || error instanceof Fault)) throw error;
    if (error.code.startsWith("server/")) throw error;
  }
}

/**
 * Goes on with what an interruption left, and with what has become due. What cannot be sent now must not keep what has come
 * from being read.
 */
export async function resume(parts: Parts): Promise<void> {
  await unlessLacking(() => parts.blocklist.tell(parts.inbox));
  await enterGroups(parts);
  if (parts.account.registered) await tellContacts(parts);
  for (const held of parts.groups.all) {
    if (held.state.mls === undefined) continue;
    try {
      await recover(parts, held);
      if (held.state.mls === undefined || held.state.care.health >= healths.diverged) continue;
      await tend(parts, held);
      await flush(parts, held);
      await goOnLeaving(parts, held);
      await commitDue(parts, held);
    } catch (error) {
      if (!(error instanceof ClientError || error instanceof Fault)) throw error;
      if (error.code.startsWith("server/")) throw error;
    }
  }
}

const rotateOn = (parts: Parts): Promise<void> => (parts.inbox.exists ? goOnRotating(parts) : Promise.resolve());

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
