// What a `sync` does beside handing events over: requests of others, interrupted work, the queue.
import { Fault } from "../fault.ts";
import { ClientError } from "./errors.ts";
import { flush } from "./group-outbox.ts";
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

/** Goes on with what an interruption left. What cannot be sent now must not keep what has come from being read. */
export async function resume(parts: Parts): Promise<void> {
  for (const held of parts.groups.all) {
    const { mls } = held.state;
    if (mls === undefined || held.unavailableIn === mls.epoch) continue;
    try {
      await flush(parts, held);
    } catch (error) {
      if (!(error instanceof ClientError || error instanceof Fault)) throw error;
      if (error.code.startsWith("server/")) throw error;
    }
  }
}

/** Reads the queue, waiting up to `wait` seconds when there is nothing; then makes up for KeyPackages that were used. */
export async function readInbox(
  parts: Parts,
  wait: number,
  exclusive: (work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { account, inbox, keyPackages, events } = parts;
  await readQueue(parts, () => (events.waiting ? 0 : wait), exclusive);
  // Fresh ones are published for one that a Welcome used up, so that none has to be used twice.
  if (keyPackages.used) await exclusive(() => keyPackages.publish(account, inbox));
}
