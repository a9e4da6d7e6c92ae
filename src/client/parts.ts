// The parts of one client, as those that work across them are given them.
import type { Account } from "./account.ts";
import type { Aliases } from "./aliases.ts";
import type { Blocklist } from "./blocklist.ts";
import type { Connects } from "./connects.ts";
import type { Contacts } from "./contacts.ts";
import type { EventLog } from "./events.ts";
import type { Groups } from "./groups.ts";
import type { Inbox } from "./inbox.ts";
import type { ItemSeries } from "./item-series.ts";
import type { KeyPackages } from "./key-packages.ts";
import type { People } from "./people.ts";
import type { Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

export interface Parts {
  readonly session: Session;
  readonly account: Account;
  readonly tokens: Tokens;
  readonly inbox: Inbox;
  readonly blocklist: Blocklist;
  readonly series: ItemSeries;
  readonly keyPackages: KeyPackages;
  readonly people: People;
  readonly contacts: Contacts;
  /** Offers on their way. */
  readonly connects: Connects;
  readonly aliases: Aliases;
  readonly groups: Groups;
  readonly events: EventLog;
}

/** Runs `work`, which changes parts in memory and then saves them; when it throws, memory is as before. */
export async function allOrNothing<T>(parts: Parts, work: () => Promise<T>): Promise<T> {
  const { account, blocklist, series, keyPackages, people, contacts, connects, aliases, events } = parts;
  const restore = [account, blocklist, series, keyPackages, people, contacts, connects, aliases, events].map((part) =>
    part.snapshot(),
  );
  try {
    return await work();
  } catch (error) {
    for (const put of restore) put();
    throw error;
  }
}

/** What an item changes: the entries to save beside the parts' own, and what to do in memory once they are saved. */
export interface Effect {
  readonly entries: readonly Entry[];
  readonly apply: () => void;
}

export const NOTHING: Effect = { entries: [], apply: () => undefined };
